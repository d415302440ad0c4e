// The self-describing blocks of a dump's body: their types, roles and header.

/// What a block holds (docs/formats/dump.md, Body). Readers skip numbers they do not know.
public struct BlockType: RawRepresentable, Equatable, Hashable, Sendable {
  public var rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static var core: BlockType { BlockType(rawValue: 1) }
  public static var faultStatus: BlockType { BlockType(rawValue: 2) }
  public static var floatingPoint: BlockType { BlockType(rawValue: 3) }
  public static var mpu: BlockType { BlockType(rawValue: 4) }
  public static var nvic: BlockType { BlockType(rawValue: 5) }
  public static var sysTick: BlockType { BlockType(rawValue: 6) }
  public static var memory: BlockType { BlockType(rawValue: 7) }
  public static var redaction: BlockType { BlockType(rawValue: 8) }
  public static var breadcrumbs: BlockType { BlockType(rawValue: 9) }
  public static var reason: BlockType { BlockType(rawValue: 10) }
  public static var image: BlockType { BlockType(rawValue: 11) }
  public static var end: BlockType { BlockType(rawValue: 0xFFFF) }
}

/// What the bytes of a memory block were.
public enum MemoryRole: UInt16, Sendable {
  case interruptedStack = 1
  case registeredRegion = 2
  case code = 3
}

/// The 8 bytes in front of a block's content.
public struct BlockHeader: Sendable {
  /// Bytes of the header itself.
  public static let size = 8
  /// Bytes in front of the memory content of a memory block: address, role and id.
  public static let memoryPreamble = 8
  /// The bit of a header's first word that says that parts of the content were replaced by zeros.
  public static let redactedFlag: UInt32 = 2 << 16
  /// Longest reason text, bytes of UTF-8.
  public static let longestReason = 256

  public var type: BlockType
  /// The content ends before what it describes does.
  public var isTruncated = false
  /// Parts of the content were replaced by zeros.
  public var isRedacted = false
  /// Bytes of content, padding not counted.
  public var length: UInt32

  public init(type: BlockType, length: UInt32) {
    self.type = type
    self.length = length
  }

  /// Zeros that follow the content, so that the next block begins at a multiple of 4.
  public var padding: UInt32 { (0 &- length) & 3 }

  /// Writes 8 bytes.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    bytes.store16(type.rawValue, at: 0)
    bytes.store16((isTruncated ? 1 : 0) | (isRedacted ? 2 : 0), at: 2)
    bytes.store32(length, at: 4)
  }

  /// Reads 8 bytes. The length is whatever stands there: the caller holds it against what follows.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(DumpFormatError) {
    guard bytes.count >= Self.size, let base = bytes.baseAddress else { throw .tooShort }
    type = BlockType(rawValue: base.load16(at: 0))
    let flags = base.load16(at: 2)
    isTruncated = flags & 1 != 0
    isRedacted = flags & 2 != 0
    length = base.load32(at: 4)
  }
}
