// What a family of metrics is called, and what a page says of it.

/// A family that a program counts: what swift-metrics calls a label, with what Prometheus wants to know
/// beside it.
public struct PrometheusFamily: Sendable {
  /// By Prometheus' conventions: a base unit at the end, `_total` after it for a counter.
  public var name: String
  public var kind: MetricsText.Kind
  /// A sentence without its full stop.
  public var help: String
  /// Upper bounds of a histogram's buckets, ascending, without infinity; empty for the other kinds.
  public var bounds: [Double]

  private init(_ name: String, _ kind: MetricsText.Kind, _ help: String, bounds: [Double] = []) {
    self.name = name
    self.kind = kind
    self.help = help
    self.bounds = bounds
  }

  public static func counter(_ name: String, _ help: String) -> PrometheusFamily {
    PrometheusFamily(name, .counter, help)
  }

  public static func gauge(_ name: String, _ help: String) -> PrometheusFamily {
    PrometheusFamily(name, .gauge, help)
  }

  public static func histogram(_ name: String, _ help: String, bounds: [Double])
    -> PrometheusFamily
  {
    PrometheusFamily(name, .histogram, help, bounds: bounds)
  }

  /// Bounds for what takes a millisecond to ten seconds.
  public static let seconds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]
}
