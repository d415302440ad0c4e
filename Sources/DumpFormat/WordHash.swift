// The checksum of records in RAM that a reset keeps (docs/formats/ring.md, Retained RAM).

/// FNV-1a over words (offset basis 0x811C9DC5, prime 0x01000193): records are checked at every turn of the
/// agent, and no flipped bit goes unnoticed.
public struct WordHash {
  public private(set) var value: UInt32 = 0x811C_9DC5

  public init() {}

  /// Takes `count` bytes, a multiple of 4, at an address that is one.
  public mutating func update(_ start: UnsafeRawPointer, count: Int) {
    var at = 0
    while at < count {
      value = (value ^ start.load32(at: at)) &* 0x0100_0193
      at += 4
    }
  }

  /// The checksum of `count` bytes.
  public static func checksum(_ start: UnsafeRawPointer, count: Int) -> UInt32 {
    var hash = WordHash()
    hash.update(start, count: count)
    return hash.value
  }
}
