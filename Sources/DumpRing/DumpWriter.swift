// Streams one dump into a ready slot or into memory, page by page, with the commit mark last.

import BoardHAL
import DumpFormat

/// The fault path's writer. It holds one page, never erases, and stops adding when room runs out: the
/// dump is then truncated, not lost. What it programs it reads back. Contexts: boot, fault.
///
/// Fill in the header at ``page``, call ``begin()``, then add blocks, then ``finish()``.
public struct DumpWriter {
  /// ``pageSize`` bytes, aligned to 4, the writer's alone until it is finished.
  public let page: UnsafeMutableRawPointer
  /// Where the dump goes: an address, or an offset of flash.
  private let place: UInt
  /// Writes to flash; `nil` when the dump goes to memory. A function that is handed over, so that an
  /// image without flash links nothing of it.
  private let write: (@convention(c) (UInt32, UnsafeRawPointer, UInt32) -> Bool)?
  /// Bytes that the body may still grow by, the end block apart.
  private var room: UInt32
  private var crc = CRC32C()
  /// Bytes of the body that have left the page.
  private var written: UInt32 = 0
  /// Bytes of the body in the page.
  private var filled: UInt32 = 0
  private var blocks: UInt32 = 0
  private var isTruncated = false
  private var hasFailed = false

  /// Bytes of the page buffer.
  public static let pageSize: UInt32 = 256
  /// Room kept back for the end block.
  private static let endSize: UInt32 = 12

  /// A dump in a ready slot.
  ///
  /// - Parameters:
  ///   - slot: flash offset of the slot.
  ///   - size: bytes of the slot, more than 512.
  public init(slot: UInt32, size: UInt32, page: UnsafeMutableRawPointer) {
    place = UInt(slot &+ SlotLayout.dump)
    write = writeToFlash
    room = size &- SlotLayout.body &- Self.endSize
    self.page = page
  }

  /// A dump in memory.
  ///
  /// - Parameters:
  ///   - memory: where the dump begins, aligned to 4.
  ///   - size: bytes there, more than 512.
  public init(memory: UnsafeMutableRawPointer, size: UInt32, page: UnsafeMutableRawPointer) {
    place = UInt(bitPattern: memory)
    write = nil
    room = size &- UInt32(DumpPrologue.size) &- Self.endSize
    self.page = page
  }

  /// Writes the header that lies at ``page``, whose checksum it fills in.
  public mutating func begin() {
    PrologueLayout.sealHeader(page)
    put(at: 0, UInt32(DumpHeader.size))
  }

  /// Adds a block of `length` bytes at `start`, or as many of them as there is room for. No bytes, no
  /// block.
  @inline(never)
  public mutating func add(_ type: BlockType, _ start: UnsafeRawPointer, length: UInt32) {
    let size = length &+ 8
    // Most blocks are whole words that fit in the page.
    if length & 3 == 0, size < Self.pageSize &- filled, size < room, length > 0 {
      let place = page + Int(filled)
      place.store32(UInt32(type.rawValue), at: 0)
      place.store32(length, at: 4)
      place.store(start, count: Int(length), at: 8)
      filled &+= size
      room &-= size
      blocks &+= 1
      return
    }
    let taken = open(UInt32(type.rawValue), length)
    append(start, taken)
    pad()
  }

  /// Opens a block for ``append(_:_:)`` and ``pad()``.
  ///
  /// - Parameters:
  ///   - type: the block's type and its flags, as its first word has them.
  ///   - length: bytes of content.
  /// - Returns: bytes of content that there is room for; 0 when there is no block.
  @inline(never)
  public mutating func open(_ type: UInt32, _ length: UInt32) -> UInt32 {
    guard length > 0 else { return 0 }
    var type = type
    var taken = length
    if room < 8 || length > room &- 8 {
      isTruncated = true
      // Less than this says nothing.
      guard room >= 24 else { return 0 }
      taken = (room &- 8) & ~3
      type |= 1 << 16
    }
    room &-= 8 &+ ((taken &+ 3) & ~3)
    blocks &+= 1
    word(type)
    word(taken)
    return taken
  }

  /// Appends a word to the open block.
  public mutating func word(_ value: UInt32) {
    page.store32(value, at: Int(filled))
    advance(4)
  }

  /// Appends bytes to the open block; no more than were left of what ``open(_:_:)`` answered.
  ///
  /// - Parameter change: is shown each run of them once it lies in the page, with the run's place among
  ///   the bytes.
  @inline(__always)
  public mutating func append(
    _ start: UnsafeRawPointer, _ length: UInt32,
    change: (UnsafeMutableRawPointer, _ at: UInt32, _ count: UInt32) -> Void
  ) {
    var done: UInt32 = 0
    while done < length {
      let run = min(length &- done, Self.pageSize &- filled)
      let place = page + Int(filled)
      place.store(start + Int(done), count: Int(run), at: 0)
      change(place, done, run)
      done &+= run
      advance(run)
    }
  }

  /// Appends bytes to the open block as they are.
  @inline(never)
  public mutating func append(_ start: UnsafeRawPointer, _ length: UInt32) {
    append(start, length) { _, _, _ in }
  }

  /// Ends a block: the next one begins on a whole word.
  public mutating func pad() {
    let missing = (0 &- filled) & 3
    guard missing > 0 else { return }
    for i in 0..<missing { page.store8(0, at: Int(filled &+ i)) }
    advance(missing)
  }

  /// Closes the body with an end block and makes the dump count. In a slot, its settled mark follows:
  /// ``DumpRing/settle(slot:)``.
  ///
  /// - Returns: bytes of the whole dump.
  @discardableResult
  public mutating func finish() throws(FlashError) -> UInt32 {
    word(UInt32(BlockType.end.rawValue))
    word(4)
    word(blocks)
    flush()
    guard !hasFailed else { throw .failed }
    PrologueLayout.writeCommit(
      page, bodyLength: written, bodyCRC: crc.value, isTruncated: isTruncated)
    put(at: UInt32(DumpHeader.size), UInt32(DumpCommit.size))
    guard !hasFailed else { throw .failed }
    return UInt32(DumpPrologue.size) &+ written
  }

  @inline(never)
  private mutating func advance(_ count: UInt32) {
    filled &+= count
    if filled == Self.pageSize { flush() }
  }

  @inline(never)
  private mutating func flush() {
    crc.update(page, count: Int(filled))
    halWatchdogFeed()
    put(at: UInt32(DumpPrologue.size) &+ written, filled)
    written &+= filled
    filled = 0
  }

  /// Writes bytes of the page at a place in the dump.
  @inline(never)
  private mutating func put(at position: UInt32, _ count: UInt32) {
    let place = place &+ UInt(position)
    if let write {
      hasFailed = hasFailed || !write(UInt32(truncatingIfNeeded: place), page, count)
    } else if let memory = UnsafeMutableRawPointer(bitPattern: place) {
      memory.store(page, count: Int(count), at: 0)
    }
  }
}

private func writeToFlash(_ offset: UInt32, _ bytes: UnsafeRawPointer, _ count: UInt32) -> Bool {
  do throws(FlashError) {
    try Flash.write(offset, bytes, count: count)
    return true
  } catch {
    return false
  }
}
