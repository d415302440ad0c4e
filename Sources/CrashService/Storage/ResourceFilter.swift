// Names that a list of dumps is narrowed to.

/// Absent members narrow nothing; names are compared without regard to case.
struct ResourceFilter: Equatable, Sendable {
  var catalog: String?
  var product: String?
  var deviceGroup: String?
}
