// The test kit's own tools do what tests rely on.

import BoardHAL
import DumpFormat
import Foundation
import MartletTestKit
import Testing

@Suite struct KitTests {
  @Test func `SplitMix64 gives its published numbers`() {
    var generator = SeededGenerator(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }

  @Test func `a seed is taken from the environment`() {
    #expect(SeededGenerator.fromEnvironment(["MARTLET_SEED": "42"]).seed == 42)
    #expect(SeededGenerator.fromEnvironment(["MARTLET_SEED": "0xff"]).seed == 255)
  }

  @Test func `chance follows its rate`() {
    var generator = SeededGenerator(seed: 3)
    let hits = (0..<10_000).count { _ in generator.chance(0.25) }
    #expect((2_300...2_700).contains(hits))
    #expect((0..<1000).allSatisfy { _ in !generator.chance(0) })
    #expect((0..<1000).allSatisfy { _ in generator.chance(1) })
  }

  @Test func `a perfect link carries everything in order`() {
    var link = FaultyLink(generator: SeededGenerator(seed: 1))
    link.send([1, 2])
    link.send([3])
    #expect(link.receive(atMost: 1) == [1])
    #expect(link.receive() == [2, 3])
    #expect(link.inFlight == 0)
  }

  @Test func `a delayed link keeps the order and delivers in time`() {
    var faults = FaultyLink.Faults()
    faults.delay = 2...5
    var link = FaultyLink(faults: faults, generator: SeededGenerator(seed: 1))
    for i in 0..<20 as Range<UInt8> { link.send([i]) }
    link.advance(ticks: 1)
    #expect(link.receive() == [])
    link.advance(ticks: 4)
    #expect(link.receive() == Array(0..<20))
    link.faults.delay = 3...3
    link.send([1])
    link.advance(ticks: 2)
    #expect(link.receive() == [])
    link.advance()
    #expect(link.receive() == [1])
  }

  @Test func `a bad link shows every fault, and the same ones again`() {
    func carry() -> ([UInt8], FaultyLink.Counts) {
      var link = FaultyLink(
        faults: .everything(rate: 0.2), generator: SeededGenerator(seed: 7))
      var received: [UInt8] = []
      for i in 0..<200 as Range<UInt8> {
        link.send(filled(i, 20))
        link.advance()
        received += link.receive()
      }
      link.advance(ticks: 100)
      return (received + link.receive(), link.counts)
    }
    let (bytes, counts) = carry()
    #expect(carry() == (bytes, counts))
    #expect(counts.droppedBytes > 0)
    #expect(counts.flippedBits > 0)
    #expect(counts.duplicatedBytes > 0)
    #expect(counts.droppedChunks > 0)
    #expect(counts.duplicatedChunks > 0)
    #expect(counts.reorderedChunks > 0)
    #expect(bytes.count == 200 * 20 - counts.droppedBytes + counts.duplicatedBytes)
  }

  @Test func `a reordered chunk is overtaken`() {
    var faults = FaultyLink.Faults()
    faults.reorderChunk = 1
    var link = FaultyLink(faults: faults, generator: SeededGenerator(seed: 1))
    link.send([1])
    link.faults.reorderChunk = 0
    link.send([2])
    link.advance(ticks: 4)
    #expect(link.receive() == [2, 1])
  }

  @Test func `a disconnect loses what is under way`() {
    var faults = FaultyLink.Faults()
    faults.delay = 3...3
    var link = FaultyLink(faults: faults, generator: SeededGenerator(seed: 1))
    link.send([1, 2])
    link.disconnect()
    link.advance(ticks: 9)
    #expect(link.receive() == [])
    #expect(link.counts.droppedBytes == 2)
  }

  @Test func `every register of a made context is known and different`() {
    let context = makeFaultContext()
    let values =
      context.coreRegisters + context.floatRegisters + [
        context.sp, context.lr, context.pc, context.xpsr, context.excReturn, context.msp,
        context.psp, context.cfsr, context.mmfar, context.bfar, context.afsr, context.shcsr,
        context.icsr, context.fpscr,
      ]
    #expect(Set(values).count == values.count)
    #expect(context.coreRegisters[12] == 0x5200_000C)
    #expect(makeFaultContext(pc: 5) { $0.bfar = 6 }.bfar == 6)
  }

  @Test func `a built dump verifies and holds its blocks`() throws {
    var builder = DumpBuilder.sample(
      kind: .busFault, key: DumpKey(bootCount: 7, sequence: 2), stack: [1, 2, 3])
    builder.addReason("out of biscuits")
    builder.addBreadcrumbs([(uptime: 1 << 33, id: 4, value: 5)])
    builder.addRedactions([(address: 0x2000_0000, length: 16)])
    let dump = builder.build()
    let prologue = try dump.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    #expect(prologue.header.key == DumpKey(bootCount: 7, sequence: 2))
    #expect(prologue.header.kind == .busFault)
    #expect(
      prologue.header.fingerprint
        == Fingerprint(
          buildID: BuildID((0..<20).map { UInt8(0xB0 + $0) }), kind: .busFault, pc: 0x1234,
          lr: 0x567))
    let blocks = try blocks(of: dump)
    #expect(
      blocks.map(\.type) == [
        .image, .core, .faultStatus, .floatingPoint, .memory, .reason, .breadcrumbs, .redaction,
        .end,
      ])
    #expect(blocks[1].content.count == 104)
    #expect(blocks[4].content == [0x00, 0x80, 0x00, 0x20, 1, 0, 0, 0, 1, 2, 3])
    #expect(blocks[8].content == [8, 0, 0, 0])
  }

  @Test func `a temporary directory is gone afterwards, also when the body throws`() async throws {
    struct Stop: Error {}
    var path = ""
    #expect(throws: Stop.self) {
      try TemporaryDirectory.with { directory in
        path = directory.path
        try Data([1]).write(to: directory.file("x"))
        throw Stop()
      }
    }
    #expect(!path.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: path))
    let other = try await TemporaryDirectory.with { directory in
      await Task.yield()
      #expect(FileManager.default.fileExists(atPath: directory.path))
      return directory.path
    }
    #expect(!FileManager.default.fileExists(atPath: other))
  }

  /// The blocks behind a dump's prologue, read by their headers.
  private func blocks(of dump: [UInt8]) throws -> [(type: BlockType, content: [UInt8])] {
    var result: [(type: BlockType, content: [UInt8])] = []
    var rest = dump.dropFirst(DumpPrologue.size)
    while !rest.isEmpty {
      let header = try Array(rest).withUnsafeBytes { try BlockHeader(decoding: $0) }
      let content = Array(rest.dropFirst(BlockHeader.size).prefix(Int(header.length)))
      result.append((header.type, content))
      rest = rest.dropFirst(BlockHeader.size + Int(header.length + header.padding))
    }
    return result
  }
}
