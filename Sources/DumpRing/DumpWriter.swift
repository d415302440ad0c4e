// Streams one dump into a ready slot or into memory, sealed chunk by chunk, with the commit mark last.

import BoardHAL
import DumpFormat
import DumpSealing

/// The fault path's writer. It holds one chunk, never erases, and stops adding when room runs out: the
/// dump is then truncated, not lost. Nothing but the header leaves its buffer unsealed. What it programs
/// it reads back. Contexts: boot, fault.
///
/// Fill in the header at ``header``, call ``begin()``, then add blocks, then ``finish()``.
public struct DumpWriter {
  /// Where the dump's header goes: the start of the writer's buffer of ``bufferSize`` bytes, aligned to 4,
  /// the writer's alone until it is finished.
  public let header: UnsafeMutableRawPointer
  /// Where the dump goes: an address, or an offset of flash.
  private let place: UInt
  /// Writes to flash; `nil` when the dump goes to memory. A function that is handed over, so that an
  /// image without flash links nothing of it.
  private let write: (@convention(c) (UInt32, UnsafeRawPointer, UInt32) -> Bool)?
  private let seal: DumpSeal
  /// Bytes of blocks that still fit, the end block apart.
  private var room: UInt32
  private var crc = CRC32C()
  /// Bytes of the body that have left the buffer.
  private var written: UInt32 = 0
  /// Bytes of the chunk in the buffer, behind the envelope in the first.
  private var filled = UInt32(SealedLayout.envelope)
  /// Where the blocks of the chunk begin.
  private var start = UInt32(SealedLayout.envelope)
  private var chunks: UInt32 = 0
  private var blocks: UInt32 = 0
  private var isTruncated = false
  private var hasFailed = false

  /// Bytes of the buffer: the header, and a chunk.
  public static let bufferSize = DumpHeader.size + SealedLayout.chunk
  /// Where the blocks of a full chunk end.
  private static let chunkEnd = UInt32(SealedLayout.chunk - SealedLayout.tag)
  /// Room kept back for the end block.
  private static let endSize: UInt32 = 12

  private var chunk: UnsafeMutableRawPointer { header + DumpHeader.size }

  /// A dump in a ready slot.
  ///
  /// - Parameters:
  ///   - slot: flash offset of the slot.
  ///   - size: bytes of the slot, more than 512.
  ///   - buffer: ``bufferSize`` bytes, aligned to 4.
  public init(slot: UInt32, size: UInt32, seal: DumpSeal, buffer: UnsafeMutableRawPointer) {
    place = UInt(slot &+ SlotLayout.dump)
    write = writeToFlash
    room = Self.room(in: size &- SlotLayout.body)
    self.seal = seal
    header = buffer
  }

  /// A dump in memory.
  ///
  /// - Parameters:
  ///   - memory: where the dump begins, aligned to 4.
  ///   - size: bytes there, more than 512.
  public init(
    memory: UnsafeMutableRawPointer, size: UInt32, seal: DumpSeal, buffer: UnsafeMutableRawPointer
  ) {
    place = UInt(bitPattern: memory)
    write = nil
    room = Self.room(in: size &- UInt32(DumpPrologue.size))
    self.seal = seal
    header = buffer
  }

  /// Bytes of blocks that fit in a sealed body of `size` bytes, the end block apart.
  private static func room(in size: UInt32) -> UInt32 {
    let rest = size & UInt32(SealedLayout.chunk - 1)
    let tags = (size &- rest) / UInt32(SealedLayout.chunk) &* UInt32(SealedLayout.tag)
    let last = rest > UInt32(SealedLayout.tag) ? UInt32(SealedLayout.tag) : rest
    return (size &- tags &- last &- UInt32(SealedLayout.envelope) &- endSize) & ~3
  }

  /// Writes the header, whose checksum and encoding it fills in.
  public mutating func begin() {
    header.store8(DumpEncoding.sealed.rawValue, at: PrologueLayout.encoding)
    PrologueLayout.sealHeader(header)
    put(header, at: 0, UInt32(DumpHeader.size))
    seal.writeEnvelope(chunk)
  }

  /// Adds a block of `length` bytes at `start`, or as many of them as there is room for. No bytes, no
  /// block.
  @inline(never)
  public mutating func add(_ type: BlockType, _ start: UnsafeRawPointer, length: UInt32) {
    let size = length &+ 8
    // Most blocks are whole words that fit in the chunk.
    if length & 3 == 0, size <= Self.chunkEnd &- filled, size < room, length > 0 {
      let place = chunk + Int(filled)
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
    makeSpace()
    chunk.store32(value, at: Int(filled))
    filled &+= 4
  }

  /// Appends bytes to the open block; no more than were left of what ``open(_:_:)`` answered.
  ///
  /// - Parameter change: is shown each run of them once it lies in the buffer, with the run's place among
  ///   the bytes.
  @inline(__always)
  public mutating func append(
    _ start: UnsafeRawPointer, _ length: UInt32,
    change: (UnsafeMutableRawPointer, _ at: UInt32, _ count: UInt32) -> Void
  ) {
    var done: UInt32 = 0
    while done < length {
      makeSpace()
      let run = min(length &- done, Self.chunkEnd &- filled)
      let place = chunk + Int(filled)
      place.store(start + Int(done), count: Int(run), at: 0)
      change(place, done, run)
      done &+= run
      filled &+= run
    }
  }

  /// Appends bytes to the open block as they are.
  @inline(never)
  public mutating func append(_ start: UnsafeRawPointer, _ length: UInt32) {
    append(start, length) { _, _, _ in }
  }

  /// Ends a block: the next one begins on a whole word, as a chunk's end does.
  public mutating func pad() {
    while filled & 3 != 0 {
      chunk.store8(0, at: Int(filled))
      filled &+= 1
    }
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
    flush(SealedChunk.last | (isTruncated ? SealedChunk.truncated : 0))
    seal.end()
    guard !hasFailed else { throw .failed }
    PrologueLayout.writeCommit(
      header, bodyLength: written, bodyCRC: crc.value, isTruncated: isTruncated)
    put(header, at: UInt32(DumpHeader.size), UInt32(DumpCommit.size))
    guard !hasFailed else { throw .failed }
    return UInt32(DumpPrologue.size) &+ written
  }

  /// Sends a full chunk on. The last one is never full when it is left: it waits for the end block.
  private mutating func makeSpace() {
    if filled == Self.chunkEnd { flush(0) }
  }

  /// Seals the chunk and writes it.
  @inline(never)
  private mutating func flush(_ flags: UInt8) {
    seal.seal(
      chunk + Int(start), count: Int(filled &- start), index: chunks, flags: flags, header: header)
    filled &+= UInt32(SealedLayout.tag)
    crc.update(chunk, count: Int(filled))
    halWatchdogFeed()
    put(chunk, at: UInt32(DumpPrologue.size) &+ written, filled)
    written &+= filled
    chunks &+= 1
    start = 0
    filled = 0
  }

  /// Writes bytes of the buffer at a place in the dump.
  @inline(never)
  private mutating func put(_ bytes: UnsafeRawPointer, at position: UInt32, _ count: UInt32) {
    let place = place &+ UInt(position)
    if let write {
      hasFailed = hasFailed || !write(UInt32(truncatingIfNeeded: place), bytes, count)
    } else if let memory = UnsafeMutableRawPointer(bitPattern: place) {
      memory.store(bytes, count: Int(count), at: 0)
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
