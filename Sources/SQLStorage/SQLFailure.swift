// What goes wrong between a store and its database.

/// Why a database did not do what it was asked. It changed nothing then, with one exception: when the
/// connection to a server breaks while a transaction commits, the failure is `unavailable` and nobody knows
/// whether it did.
public struct SQLFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// It cannot be reached, is shutting down, or has no connection free: the same may succeed later.
    case unavailable
    /// Its disk is full or cannot be written.
    case storageFull
    /// Somebody else holds what is needed, or it took too long; the same may succeed at once.
    case busy
    /// Another transaction was in the way of this one, which was run several times; the same may succeed.
    case conflict
    /// A rule of the schema forbids it.
    case constraint
    /// It is no database of ours, or not whole any more.
    case damaged
    /// A text that was to be bound holds a NUL character, which PostgreSQL cannot keep.
    case unstorableText
    /// A value is not of the type that was expected.
    case unexpectedValue
    /// The statement was refused. That is a mistake of the program.
    case refused
  }

  public var code: Code
  /// What the database said. It may name tables and columns, never a value that was bound.
  public var message: String

  public init(code: Code, message: String) {
    self.code = code
    self.message = message
  }

  /// Whether the same may succeed without anybody's help.
  public var isTransient: Bool { [.unavailable, .busy, .conflict, .storageFull].contains(code) }

  /// Whether the engine ended the transaction for another's sake, so that it can be run again.
  var isConflict: Bool { code == .conflict }

  public var description: String { "\(code.rawValue): \(message)" }
}
