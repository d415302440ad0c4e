// The writer of the fault path: whole dumps, shortened dumps, dumps in memory, and flash that fails.

import BoardHAL
import DumpFormat
@testable import DumpRing
import DumpSealing
import MartletTestKit
import Testing

/// A dump taken apart as docs/formats/dump.md tells it, without the library's own decoder.
private struct Parsed {
  var isTruncated: Bool
  var blocks: [(type: UInt16, flags: UInt16, content: [UInt8])] = []

  init(_ dump: [UInt8]) throws {
    let prologue = try dump.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    isTruncated = prologue.commit.isTruncated
    #expect(prologue.header.encoding == .sealed)
    let dump = try SealFixture.open(dump)
    var position = 0
    while position < dump.count {
      try #require(position + 8 <= dump.count)
      let word = { (at: Int) in
        (0..<4).reduce(0 as UInt32) { $0 | UInt32(dump[at + $1]) << (8 * UInt32($1)) }
      }
      let length = Int(word(position + 4))
      try #require(position + 8 + length <= dump.count)
      blocks.append(
        (
          UInt16(truncatingIfNeeded: word(position)), UInt16(word(position) >> 16),
          Array(dump[(position + 8)..<(position + 8 + length)])
        ))
      let padding = dump[
        (position + 8 + length)..<min(dump.count, position + 8 + (length + 3) & ~3)]
      #expect(padding.allSatisfy { $0 == 0 })
      position += 8 + (length + 3) & ~3
    }
    #expect(position == dump.count)
  }
}

/// Content that differs from byte to byte and from block to block.
private func content(_ block: Int, _ length: Int) -> [UInt8] {
  (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ block &* 31 &+ 1) }
}

/// Writes blocks of the given lengths, typed 1, 2, 3 and so on.
private func write(
  _ lengths: [Int], _ makeWriter: (DumpSeal, UnsafeMutableRawPointer) -> DumpWriter
) throws -> UInt32 {
  try SealFixture().use(DumpHeader(kind: .crash, key: key(1))) { seal, buffer in
    var writer = makeWriter(seal, buffer)
    writer.begin()
    for (i, length) in lengths.enumerated() {
      // At any alignment: what a stack pointer names is not always a multiple of 4.
      ([0] + content(i, length)).withUnsafeBytes { raw in
        guard let base = raw.baseAddress else { return }
        writer.add(BlockType(rawValue: UInt16(i + 1)), base + 1, length: UInt32(length))
      }
    }
    return try writer.finish()
  }
}

/// The same into `room` bytes of memory, with guards around them.
private func writeToMemory(_ lengths: [Int], room: Int) throws -> [UInt8] {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room + 128, alignment: 8)
  defer { memory.deallocate() }
  memory.initializeMemory(as: UInt8.self, repeating: 0xC3)
  let start = try #require(memory.baseAddress)
  let length = try write(lengths) { seal, buffer in
    DumpWriter(memory: start + 64, size: UInt32(room), seal: seal, buffer: buffer)
  }
  #expect(memory[..<64].allSatisfy { $0 == 0xC3 }, "wrote before its room")
  #expect(memory[(64 + room)...].allSatisfy { $0 == 0xC3 }, "wrote beyond its room")
  return Array(memory[64..<64 + Int(length)])
}

@Suite struct WriterTests {
  @Test(arguments: [0, 1, 2, 3, 4, 100, 255, 256, 257, 1000])
  func `blocks of every length come back`(length: Int) throws {
    let parsed = try Parsed(try writeToMemory([4, length, 9], room: 2048))
    #expect(!parsed.isTruncated)
    // No bytes, no block.
    let lengths = length == 0 ? [4, 9] : [4, length, 9]
    #expect(parsed.blocks.map(\.content.count) == lengths + [4])
    for block in parsed.blocks.dropLast() {
      let index = Int(block.type) - 1
      #expect(block.content == content(index, [4, length, 9][index]))
      #expect(block.flags == 0)
    }
    #expect(parsed.blocks.last?.type == 0xFFFF)
    #expect(parsed.blocks.last?.content == [UInt8(lengths.count), 0, 0, 0])
  }

  @Test(arguments: Array(stride(from: 516, through: 1304, by: 4)))
  func `any room gives a dump that decodes, marked when it is short`(room: Int) throws {
    let lengths = [104, 33, 500, 64, 21]
    let dump = try writeToMemory(lengths, room: room)
    #expect(dump.count <= room)
    let parsed = try Parsed(dump)
    let blocks = lengths.reduce(0) { $0 + 8 + ($1 + 3) & ~3 } + 12
    let whole = 128 + 64 + blocks + 16
    #expect(parsed.isTruncated == (room < whole), "room \(room), whole \(whole)")
    #expect(parsed.blocks.last?.type == 0xFFFF)
    for block in parsed.blocks.dropLast() {
      let index = Int(block.type) - 1
      #expect(block.content == Array(content(index, lengths[index]).prefix(block.content.count)))
      #expect((block.content.count < lengths[index]) == (block.flags & 1 != 0))
    }
  }

  @Test func `a block longer than any room is shortened, not overflowed`() throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 8)
    defer { memory.deallocate() }
    let start = try #require(memory.baseAddress)
    for length in [1024, 0x7FFF_FFFF, .max - 8, .max] as [UInt32] {
      try SealFixture().use(DumpHeader(kind: .crash, key: key(1))) { seal, buffer in
        var writer = DumpWriter(memory: start, size: 1024, seal: seal, buffer: buffer)
        writer.begin()
        let taken = writer.open(7, length)
        #expect(taken == 1024 - 128 - 64 - 16 - 12 - 8)
        writer.append([UInt8](repeating: 1, count: Int(taken)), taken)
        writer.pad()
        #expect(writer.open(7, 4) == 0)
        let length = try writer.finish()
        #expect(length == 1024)
      }
      let parsed = try Parsed(Array(memory))
      #expect(parsed.isTruncated && parsed.blocks.map(\.flags) == [1, 0])
    }
  }

  @Test func `what is changed on its way is changed in the dump alone`() throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)
    defer { memory.deallocate() }
    let start = try #require(memory.baseAddress)
    let bytes = content(0, 1000)
    var covered: [Int] = []
    let length = try SealFixture().use(DumpHeader(kind: .crash, key: key(1))) { seal, buffer in
      var writer = DumpWriter(memory: start, size: 2048, seal: seal, buffer: buffer)
      writer.begin()
      #expect(writer.open(7, 1000) == 1000)
      writer.append(bytes, 1000) { place, at, count in
        for i in 0..<count { covered.append(Int(at + i)) }
        for i in 0..<count where (300..<700).contains(at + i) { place.store8(0, at: Int(i)) }
      }
      writer.pad()
      return Int(try writer.finish())
    }
    let parsed = try Parsed(Array(memory.prefix(length)))
    #expect(covered == Array(0..<1000))
    #expect(bytes == content(0, 1000))
    let expected = bytes.enumerated().map { (300..<700).contains($0.offset) ? 0 : $0.element }
    #expect(parsed.blocks[0].content == expected)
  }

  @Test(arguments: [
    [1], [300, 5, 0, 77], [3700], [5000], [924], [928], [932], [1000, 1000, 1000, 2000],
  ])
  func `a dump in a slot is byte by byte the dump in memory`(lengths: [Int]) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      let ready = try #require(ring.makeReady(dumpsPerFingerprint: 3))
      let length = try write(lengths) { seal, buffer in
        DumpWriter(slot: ring.offset(of: ready), size: 4096, seal: seal, buffer: buffer)
      }
      DumpRing.settle(slot: ring.offset(of: ready))
      ring.mount()
      #expect(ring.slot(ready).dumpLength == length)
      // A slot has 128 bytes in front of its dump.
      #expect(try ring.dump(in: ready) == writeToMemory(lengths, room: 4096 - 128))
      #expect(try board.nor(at: ring.offset(of: ready) + 4096, count: 16).allSatisfy { $0 == 0xFF })
    }
  }

  @Test(arguments: [FlashFault.programFails, .programIgnored], 1...6)
  func `flash that fails at any operation is reported`(fault: FlashFault, operation: Int) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      board.inject(fault, atOperation: operation)
      // Header, three chunks of body, commit, settled mark, without which the dump counts all the same.
      let long = [UInt8](repeating: 9, count: 2500)
      if operation == 6 {
        try ring.capture(key(1), content: long)
      } else {
        #expect(throws: FlashError.failed) { try ring.capture(key(1), content: long) }
      }
      #expect(try ring.waitingKeys == (operation == 6 ? [key(1)] : []))
    }
  }

  @Test func `a read-back that fails is reported`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      board.inject(.readFails, atOperation: 2)
      #expect(throws: FlashError.failed) { try ring.capture(key(1)) }
    }
  }

  @Test func `the watchdog is fed with every chunk, nothing is erased or written twice`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      _ = ring.makeReady(dumpsPerFingerprint: 3)
      board.clearCounters()
      try ring.capture(key(1), content: [UInt8](repeating: 9, count: 3500))
      #expect(board.counters.feeds >= 4)
      #expect(board.counters.erases == 0)
      #expect(board.counters.conflicts == 0)
    }
  }
}
