// Values in PostgreSQL's binary format.

import CLibPQ
import Foundation

/// Numbers of types, fixed in PostgreSQL's catalog (`pg_type.dat`).
enum PostgresType {
  static let bool: Oid = 16
  static let bytea: Oid = 17
  static let char: Oid = 18
  static let name: Oid = 19
  static let int8: Oid = 20
  static let int2: Oid = 21
  static let int4: Oid = 23
  static let text: Oid = 25
  static let oid: Oid = 26
  static let json: Oid = 114
  static let float4: Oid = 700
  static let float8: Oid = 701
  static let unknown: Oid = 705
  static let bpchar: Oid = 1042
  static let varchar: Oid = 1043
  static let numeric: Oid = 1700
  static let void: Oid = 2278
}

extension SQLValue {
  /// The type that the value is sent as; 0 leaves it to the server.
  var postgresType: Oid {
    switch self {
    case .null: 0
    case .integer: PostgresType.int8
    case .text: PostgresType.text
    case .blob: PostgresType.bytea
    }
  }

  /// Reads a value of the binary format.
  /// - Throws: ``SQLFailure`` with `unexpectedValue` for a type that has no place here.
  init(postgres bytes: UnsafeRawBufferPointer, type: Oid) throws(SQLFailure) {
    switch type {
    case PostgresType.int8, PostgresType.int4, PostgresType.int2:
      guard [2, 4, 8].contains(bytes.count) else { throw .malformed(type) }
      self = .integer(Self.signed(bytes))
    case PostgresType.bool:
      guard bytes.count == 1 else { throw .malformed(type) }
      self = .integer(bytes[0] == 0 ? 0 : 1)
    case PostgresType.oid:
      guard bytes.count == 4 else { throw .malformed(type) }
      self = .integer(Self.signed(bytes) & 0xFFFF_FFFF)
    case PostgresType.text, PostgresType.varchar, PostgresType.bpchar, PostgresType.name,
      PostgresType.unknown, PostgresType.json, PostgresType.char:
      self = .text(String(decoding: bytes, as: UTF8.self))
    case PostgresType.bytea:
      self = .blob(Data(bytes))
    case PostgresType.numeric:
      self = .integer(try Self.wholeNumeric(bytes))
    case PostgresType.float8:
      guard bytes.count == 8 else { throw .malformed(type) }
      self = .text("\(Double(bitPattern: UInt64(bitPattern: Self.signed(bytes))))")
    case PostgresType.float4:
      guard bytes.count == 4 else { throw .malformed(type) }
      self = .text("\(Float(bitPattern: UInt32(truncatingIfNeeded: Self.signed(bytes))))")
    case PostgresType.void:
      self = .null
    default:
      throw SQLFailure(
        code: .unexpectedValue, message: "a column has the type \(type): cast it to another")
    }
  }

  /// A big-endian number of as many bytes as there are.
  private static func signed(_ bytes: UnsafeRawBufferPointer) -> Int64 {
    var value: Int64 = bytes.first.map { $0 & 0x80 != 0 ? -1 : 0 } ?? 0
    for byte in bytes { value = value << 8 | Int64(byte) }
    return value
  }

  /// What `sum` makes of BIGINTs: digits to the base 10,000, the first of which counts 10,000 to the
  /// power of `weight` (`numeric_send` in PostgreSQL's numeric.c).
  private static func wholeNumeric(_ bytes: UnsafeRawBufferPointer) throws(SQLFailure) -> Int64 {
    func word(_ index: Int) -> Int64 {
      Int64(Int16(truncatingIfNeeded: Int(bytes[2 * index]) << 8 | Int(bytes[2 * index + 1])))
    }
    guard bytes.count >= 8, case let count = word(0), count >= 0,
      bytes.count == 8 + 2 * Int(count)
    else { throw .malformed(PostgresType.numeric) }
    let weight = word(1)
    let sign = word(2)
    guard sign == 0 || sign == 0x4000, weight < 5 else { throw .malformed(PostgresType.numeric) }
    guard count > 0 else { return 0 }
    var value: Int64 = 0
    // Digits beyond the last are zeros; those behind the point must be.
    for place in 0...max(weight, count - 1) {
      let digit = place < count ? word(4 + Int(place)) : 0
      guard (0...9_999).contains(digit) else { throw .malformed(PostgresType.numeric) }
      if place > weight {
        guard digit == 0 else { throw .malformed(PostgresType.numeric) }
        continue
      }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10_000)
      let (sum, tooLargeAgain) = product.subtractingReportingOverflow(digit)
      guard !tooLarge, !tooLargeAgain else { throw .malformed(PostgresType.numeric) }
      value = sum
    }
    // Built up below zero, where there is one number more.
    if sign == 0x4000 { return value }
    guard value != .min else { throw .malformed(PostgresType.numeric) }
    return -value
  }
}

extension SQLFailure {
  fileprivate static func malformed(_ type: Oid) -> SQLFailure {
    SQLFailure(
      code: .unexpectedValue, message: "a value of the type \(type) is malformed or does not fit")
  }
}

/// The values of one statement as libpq takes them, in one piece of memory.
struct PostgresParameters {
  private var bytes: [UInt8] = []
  /// Where each value begins; `nil` for NULL.
  private var offsets: [Int?] = []
  private var lengths: [Int32] = []

  init(_ values: [SQLValue]) {
    bytes.reserveCapacity(
      values.reduce(16) {
        switch $1 {
        case .null: $0
        case .integer: $0 + 8
        case .text(let text): $0 + text.utf8.count
        case .blob(let data): $0 + data.count
        }
      })
    for value in values {
      let start = bytes.count
      switch value {
      case .null: break
      case .integer(let number):
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
      case .text(let text): bytes.append(contentsOf: text.utf8)
      case .blob(let data): bytes.append(contentsOf: data)
      }
      offsets.append(value == .null ? nil : start)
      lengths.append(Int32(bytes.count - start))
    }
    // An empty value has an address as well: without one it would be NULL.
    bytes.append(0)
  }

  /// Lends values, lengths and formats to a call of libpq.
  func lend<Result>(
    _ body: (
      _ count: Int32, UnsafePointer<UnsafePointer<CChar>?>, _ lengths: UnsafePointer<Int32>,
      _ formats: UnsafePointer<Int32>
    ) -> Result
  ) -> Result {
    bytes.withUnsafeBytes { raw in
      let characters = raw.bindMemory(to: CChar.self)
      let pointers = offsets.map { offset in
        offset.flatMap { offset in characters.baseAddress.map { $0 + offset } }
      }
      let formats = [Int32](repeating: 1, count: max(1, offsets.count))
      // Arrays without elements may have no address.
      return body(
        Int32(offsets.count), pointers.isEmpty ? [nil] : pointers, lengths.isEmpty ? [0] : lengths,
        formats)
    }
  }
}
