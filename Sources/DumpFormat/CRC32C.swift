// The checksum of every Martlet format: CRC-32C, streamed, with a table of 64 bytes.

/// CRC-32C (Castagnoli; polynomial 0x1EDC6F41 reflected, RFC 3720 B.4), fed in pieces.
///
/// Callable from every context, the fault path included: no heap, no globals that initialise lazily.
public struct CRC32C: Sendable {
  private var state: UInt32 = 0xFFFF_FFFF

  public init() {}

  /// The checksum of all bytes fed so far.
  public var value: UInt32 { ~state }

  /// Feeds every byte of `bytes`.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    update(start, count: bytes.count)
  }

  /// Feeds `count` bytes from `start`.
  public mutating func update(_ start: UnsafeRawPointer, count: Int) {
    #if !hasFeature(Embedded)
      if count >= Self.fewestForHost {
        state = Self.state(state, after: UnsafeRawBufferPointer(start: start, count: count))
        return
      }
    #endif
    feed(start, count: count)
  }

  /// Feeds words where it can, 7 instructions a byte: what firmware runs.
  @inline(never)
  @_optimize(speed)
  mutating func feed(_ start: UnsafeRawPointer, count: Int) {
    var crc = state
    var at = start
    let end = start + count
    while at < end {
      if UInt(bitPattern: at) & 3 == 0 {
        let lastWord = end - 4
        while at <= lastWord {
          crc ^= at.load32(at: 0)
          at += 4
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
          crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
        }
        if at >= end { break }
      }
      crc ^= UInt32(at.load8(at: 0))
      at += 1
      crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
      crc = (crc >> 4) ^ remainders[unchecked: Int(crc & 15)]
    }
    state = crc
  }

  /// The checksum of `bytes` alone.
  public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc = CRC32C()
    crc.update(bytes)
    return crc.value
  }

  /// The checksum of `count` bytes from `start`.
  public static func checksum(_ start: UnsafeRawPointer, count: Int) -> UInt32 {
    var crc = CRC32C()
    crc.update(start, count: count)
    return crc.value
  }
}

/// The remainder of each nibble. In firmware it is plain read-only data: the build's symbol test holds
/// that nothing initialises lazily.
private let remainders: InlineArray<16, UInt32> = [
  0x0000_0000, 0x105E_C76F, 0x20BD_8EDE, 0x30E3_49B1, 0x417B_1DBC, 0x5125_DAD3, 0x61C6_9362,
  0x7198_540D, 0x82F6_3B78, 0x92A8_FC17, 0xA24B_B5A6, 0xB215_72C9, 0xC38D_26C4, 0xD3D3_E1AB,
  0xE330_A81A, 0xF36E_6F75,
]
