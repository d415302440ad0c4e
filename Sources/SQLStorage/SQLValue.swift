// The values that both engines store, and the Swift types that become them.

import Foundation

/// A value in a statement or a row. Booleans and times are integers.
public enum SQLValue: Equatable, Sendable {
  case null
  case integer(Int64)
  case text(String)
  case blob(Data)
}

/// What can be bound in a ``SQLText`` and read from a ``SQLRow``.
public protocol SQLConvertible {
  var sqlValue: SQLValue { get }
  /// `nil` when the value is of another type or does not fit.
  init?(_ value: SQLValue)
}

extension SQLValue: SQLConvertible {
  public var sqlValue: SQLValue { self }
  public init?(_ value: SQLValue) { self = value }
}

extension SQLConvertible where Self: FixedWidthInteger {
  /// Numbers beyond 64 signed bits do not fit and are stored as the nearest that do; whoever needs
  /// them stores text.
  public var sqlValue: SQLValue { .integer(Int64(clamping: self)) }

  public init?(_ value: SQLValue) {
    guard case .integer(let number) = value else { return nil }
    self.init(exactly: number)
  }
}

extension Int: SQLConvertible {}
extension Int64: SQLConvertible {}
extension UInt8: SQLConvertible {}
extension UInt32: SQLConvertible {}

extension Bool: SQLConvertible {
  public var sqlValue: SQLValue { .integer(self ? 1 : 0) }

  public init?(_ value: SQLValue) {
    guard case .integer(let number) = value else { return nil }
    self = number != 0
  }
}

extension String: SQLConvertible {
  public var sqlValue: SQLValue { .text(self) }

  public init?(_ value: SQLValue) {
    guard case .text(let text) = value else { return nil }
    self = text
  }
}

extension SQLValue {
  /// - Throws: ``SQLFailure`` with `unstorableText` for what PostgreSQL's text cannot hold.
  func checkStorable() throws(SQLFailure) {
    guard case .text(var text) = self else { return }
    // The C library looks at many bytes at a time.
    let hasNUL = text.withUTF8 { bytes in
      bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false
    }
    guard !hasNUL else {
      throw SQLFailure(code: .unstorableText, message: "a text holds a NUL character")
    }
  }
}

extension Data: SQLConvertible {
  public var sqlValue: SQLValue { .blob(self) }

  public init?(_ value: SQLValue) {
    guard case .blob(let bytes) = value else { return nil }
    self = bytes
  }
}

extension SQLConvertible where Self: RawRepresentable, RawValue: SQLConvertible {
  public var sqlValue: SQLValue { rawValue.sqlValue }

  public init?(_ value: SQLValue) {
    guard let raw = RawValue(value) else { return nil }
    self.init(rawValue: raw)
  }
}
