// A test vector as bytes, the same for the host's tests and for the board.

/// A vector: its kind, then fields, the first of which is its name.
///
/// In bytes: kind (1), number of fields (1), then each field's length (2, little endian) and content.
/// Tests/DumpSealingTests/Vectors/README.md says what the fields of each kind are.
public struct VectorRecord {
  /// What is checked.
  public enum Kind: UInt8, Sendable {
    case hpke = 1
    case refused = 2
    case export = 3
    case seal = 4
    case x25519 = 5
    case publicKey = 6
    case p256 = 7
    case flipped = 8
  }

  /// The most bytes that a record may have.
  public static let largest = 2048

  public let kind: Kind
  private let bytes: UnsafeRawBufferPointer
  private let count: Int

  /// Reads a record in place; nil when it is none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2, let kind = Kind(rawValue: bytes[0]) else { return nil }
    self.kind = kind
    self.bytes = bytes
    count = Int(bytes[1])
    var at = 2
    for _ in 0..<count {
      guard at + 2 <= bytes.count else { return nil }
      at += 2 + Self.length(bytes, at)
    }
    guard count > 0, at == bytes.count else { return nil }
  }

  /// The vector's name, UTF-8.
  public var name: UnsafeRawBufferPointer { field(-1) }

  /// Field `index` behind the name, from 0; empty when there is none.
  func field(_ index: Int) -> UnsafeRawBufferPointer {
    guard index + 1 < count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    var at = 2
    for _ in 0..<(index + 1) { at += 2 + Self.length(bytes, at) }
    let length = Self.length(bytes, at)
    return UnsafeRawBufferPointer(rebasing: bytes[(at + 2)..<(at + 2 + length)])
  }

  /// Field `index`, when it has that many bytes.
  func field(_ index: Int, _ length: Int) -> UnsafeRawPointer? {
    let field = field(index)
    return field.count == length ? field.baseAddress : nil
  }

  private static func length(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
    Int(bytes[at]) | Int(bytes[at + 1]) << 8
  }
}
