// The writer of the fault path: whole dumps, shortened dumps, dumps in memory, and flash that fails.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit
import Testing

/// A dump taken apart as docs/formats/dump.md tells it, without the library's own decoder.
private struct Parsed {
  var isTruncated: Bool
  var blocks: [(type: UInt16, flags: UInt16, content: [UInt8])] = []

  init(_ dump: [UInt8]) throws {
    let prologue = try dump.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    isTruncated = prologue.commit.isTruncated
    var position = 128
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
      position += 8 + (length + 3) & ~3
    }
    #expect(position == dump.count)
  }
}

@Suite struct WriterTests {
  /// Writes blocks of the given lengths into `room` bytes of memory.
  private func write(_ lengths: [Int], room: Int, required: UInt32 = 0) throws -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room + 64, alignment: 8)
    let page = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
    defer {
      memory.deallocate()
      page.deallocate()
    }
    memory.initializeMemory(as: UInt8.self, repeating: 0xC3)
    let start = try #require(memory.baseAddress)
    var writer = DumpWriter(sink: .memory(start), room: UInt32(room), page: page)
    try writer.begin(DumpHeader(kind: .crash, key: key(1)))
    for (i, length) in lengths.enumerated() {
      let content = [UInt8](repeating: UInt8(i + 1), count: length)
      let type = BlockType(rawValue: UInt16(i + 1))
      if writer.beginBlock(type, content: UInt32(length), required: required) > 0 {
        content.withUnsafeBytes { writer.append($0) }
      }
    }
    let length = try writer.finish()
    #expect(memory[room...].allSatisfy { $0 == 0xC3 }, "wrote beyond its room")
    return Array(memory.prefix(Int(length)))
  }

  @Test(arguments: [0, 1, 3, 4, 100, 255, 256, 257, 1000])
  func `blocks of every length come back`(length: Int) throws {
    let parsed = try Parsed(try write([4, length, 9], room: 2048))
    #expect(!parsed.isTruncated)
    let lengths = parsed.blocks.map(\.content.count)
    #expect(lengths == (length == 0 ? [4, 0, 9, 4] : [4, length, 9, 4]))
    #expect(parsed.blocks.last?.type == 0xFFFF)
    #expect(parsed.blocks.last?.content == [UInt8(parsed.blocks.count - 1), 0, 0, 0])
  }

  @Test(arguments: 128...700)
  func `any room gives a dump that decodes, marked when it is short`(room: Int) throws {
    let dump = try write([104, 32, 200, 64], room: room)
    #expect(dump.count <= room)
    let parsed = try Parsed(dump)
    let whole = 128 + 4 * 8 + 104 + 32 + 200 + 64 + 12
    #expect(parsed.isTruncated == (room < whole), "room \(room)")
    if room >= 128 + 12 { #expect(parsed.blocks.last?.type == 0xFFFF) }
    for block in parsed.blocks.dropLast() {
      let full = [104, 32, 200, 64][Int(block.type) - 1]
      #expect((block.content.count < full) == (block.flags & 1 != 0))
    }
  }

  @Test func `a block that must have more than there is room for is left out`() throws {
    let parsed = try Parsed(try write([200], room: 128 + 12 + 8 + 8, required: 12))
    #expect(parsed.blocks.map(\.type) == [0xFFFF])
    #expect(parsed.isTruncated)
  }

  @Test func `content that is missing becomes zeros and content too much is dropped`() throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 8)
    let page = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
    defer {
      memory.deallocate()
      page.deallocate()
    }
    let start = try #require(memory.baseAddress)
    var writer = DumpWriter(sink: .memory(start), room: 512, page: page)
    try writer.begin(DumpHeader(kind: .crash, key: key(1)))
    #expect(writer.beginBlock(.core, content: 4) == 4)
    [1, 2, 3, 4, 5, 6].withUnsafeBytes { writer.append($0) }
    #expect(writer.beginBlock(.reason, content: 6) == 6)
    [7 as UInt8].withUnsafeBytes { writer.append($0) }
    writer.appendZeros(2)
    let parsed = try Parsed(Array(memory.prefix(Int(try writer.finish()))))
    #expect(parsed.blocks[1].content == [7, 0, 0, 0, 0, 0])
  }

  @Test(arguments: 1...6)
  func `flash that fails at any operation is reported`(operation: Int) throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      board.inject(.programFails, atOperation: operation)
      // Header, three pages of body, commit, settled mark.
      #expect(throws: FlashError.failed) {
        try ring.capture(key(1), content: [UInt8](repeating: 9, count: 700))
      }
      ring.settle()
      for waiting in ring.waitingKeys {
        #expect(isWhole(try ring.dump(in: try #require(ring.find(waiting)))))
      }
      #expect(ring.waitingKeys.count == (operation == 6 ? 1 : 0))
    }
  }

  @Test func `the watchdog is fed with every page and nothing is erased`() throws {
    let board = try makeBoard()
    try board.run { () throws in
      let ring = try #require(makeRing())
      ring.reclaimAll()
      board.clearCounters()
      try ring.capture(key(1), content: [UInt8](repeating: 9, count: 2000))
      #expect(board.counters.feeds >= 8)
      #expect(board.counters.erases == 0)
      #expect(board.counters.conflicts == 0)
    }
  }
}
