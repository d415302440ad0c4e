// Streams one dump into a ready slot, page by page, with the commit mark last.

import BoardHAL
import DumpFormat

/// Where a dump's bytes go: flash in the fault path, retained RAM where there is no flash to write.
public enum DumpSink {
  /// A ready slot: flash offset of its start.
  case slot(UInt32)
  /// Memory; the dump begins at its start.
  case memory(UnsafeMutableRawPointer)
}

/// The fault path's writer. It holds one page, never erases, and stops adding when room runs out: the
/// dump is then truncated, not lost. Contexts: boot, fault.
///
/// Call ``begin(_:)``, then for each block ``beginBlock(_:content:)`` and ``append(_:)``, then
/// ``finish()``.
public struct DumpWriter {
  private let sink: DumpSink
  /// Bytes the body may have.
  private let capacity: UInt32
  private let page: UnsafeMutableRawPointer
  private var crc = CRC32C()
  /// Bytes of the body so far, those in the page included.
  private var length: UInt32 = 0
  private var blocks: UInt32 = 0
  /// Content bytes that the open block still takes.
  private var open: UInt32 = 0
  private var isTruncated = false
  private var failure: FlashError?

  /// Bytes of the page buffer.
  public static let pageSize: UInt32 = 256
  /// Room kept back for the end block.
  private static let endSize: UInt32 = 12

  /// - Parameters:
  ///   - room: bytes from the start of the dump to the end of the sink.
  ///   - page: ``pageSize`` bytes, aligned to 4, the writer's alone until it is finished.
  public init(sink: DumpSink, room: UInt32, page: UnsafeMutableRawPointer) {
    self.sink = sink
    self.page = page
    let prologue = UInt32(DumpPrologue.size)
    capacity = room > prologue ? room - prologue : 0
  }

  /// Programs the header. Throws when the sink fails; nothing more should be written then.
  public mutating func begin(_ header: DumpHeader) throws(FlashError) {
    header.encode(to: page)
    try put(at: 0, UnsafeRawBufferPointer(start: page, count: DumpHeader.size))
  }

  /// Opens a block whose content will have `content` bytes, or as many of them as there is room for.
  ///
  /// - Parameter required: when less than this fits, the block is left out altogether.
  /// - Returns: bytes of content to append; 0 when the block was left out.
  public mutating func beginBlock(
    _ type: BlockType, content: UInt32, required: UInt32 = 0, isRedacted: Bool = false
  ) -> UInt32 {
    let header = UInt32(BlockHeader.size)
    let used = length + Self.endSize + header
    // The padding of a shortened block is saved by shortening it to whole words.
    let room = used < capacity ? (capacity - used) & ~3 : 0
    var block = BlockHeader(type: type, length: content)
    block.isRedacted = isRedacted
    if content > room {
      isTruncated = true
      guard room > 0, room >= required else { return 0 }
      block.length = room
      block.isTruncated = true
    }
    var bytes = UInt64(0)
    withUnsafeMutablePointer(to: &bytes) { block.encode(to: UnsafeMutableRawPointer($0)) }
    withUnsafeBytes(of: &bytes) { add($0) }
    open = block.length
    blocks += 1
    return block.length
  }

  /// Appends content to the open block; what exceeds it is dropped. The end of the content brings
  /// the padding with it.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let count = UInt32(truncatingIfNeeded: bytes.count)
    let taken = count < open ? count : open
    guard taken > 0 else { return }
    add(UnsafeRawBufferPointer(rebasing: bytes[0..<Int(taken)]))
    close(taken)
  }

  /// Appends `count` zeros to the open block.
  public mutating func appendZeros(_ count: UInt32) {
    let taken = count < open ? count : open
    guard taken > 0 else { return }
    for _ in 0..<taken { add(0) }
    close(taken)
  }

  /// Closes the body with an end block and makes the dump count.
  ///
  /// - Returns: bytes of the whole dump.
  @discardableResult
  public mutating func finish() throws(FlashError) -> UInt32 {
    if open > 0 { appendZeros(open) }
    if length + Self.endSize <= capacity {
      var end: (UInt64, UInt32) = (0, blocks.littleEndian)
      withUnsafeMutablePointer(to: &end) {
        BlockHeader(type: .end, length: 4).encode(to: UnsafeMutableRawPointer($0))
        add(UnsafeRawBufferPointer(start: $0, count: Int(Self.endSize)))
      }
    }
    flush()
    if let failure { throw failure }
    let commit = DumpCommit(bodyLength: length, bodyCRC: crc.value, isTruncated: isTruncated)
    commit.encode(to: page)
    try put(
      at: UInt32(DumpHeader.size), UnsafeRawBufferPointer(start: page, count: DumpCommit.size))
    if case .slot(let offset) = sink { try Flash.mark(offset + SlotLayout.settledMark) }
    return UInt32(DumpPrologue.size) + length
  }

  private mutating func close(_ taken: UInt32) {
    open -= taken
    guard open == 0 else { return }
    while length & 3 != 0 { add(0) }
  }

  private mutating func add(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { add(byte) }
  }

  private mutating func add(_ byte: UInt8) {
    crc.update(byte)
    (page + Int(length & (Self.pageSize - 1))).storeBytes(of: byte, as: UInt8.self)
    length += 1
    if length & (Self.pageSize - 1) == 0 { flush(Self.pageSize) }
  }

  private mutating func flush() { flush(length & (Self.pageSize - 1)) }

  /// Writes the last `count` bytes of the body, which lie at the start of the page.
  private mutating func flush(_ count: UInt32) {
    guard count > 0, failure == nil else { return }
    halWatchdogFeed()
    do throws(FlashError) {
      try put(
        at: UInt32(DumpPrologue.size) + length - count,
        UnsafeRawBufferPointer(start: page, count: Int(count)))
    } catch {
      failure = error
    }
  }

  private func put(at position: UInt32, _ bytes: UnsafeRawBufferPointer) throws(FlashError) {
    switch sink {
    case .slot(let offset):
      try Flash.program(offset + SlotLayout.dump + position, bytes)
    case .memory(let start):
      guard let base = bytes.baseAddress else { return }
      (start + Int(position)).copyMemory(from: base, byteCount: bytes.count)
    }
  }
}
