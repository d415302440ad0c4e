// What lies in the ring without having been captured there: foreign data, other versions, other sizes.

import BoardHAL
import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

@Suite struct RingInputTests {
  private static let slotSize = 4096

  /// A board whose ring holds three waiting dumps.
  private func fullBench() throws -> Bench {
    let bench = try Bench()
    bench.boot()
    bench.give()
    for pc in [0x100, 0x200, 0x300] as [UInt32] {
      bench.crash(makeFaultContext(pc: pc))
      bench.boot()
    }
    #expect(bench.fetchAll().count == 3)
    return bench
  }

  /// Changes the ring's bytes, slot by slot, as another firmware or a stranger would have left them.
  private func changeSlots(_ bench: Bench, _ change: (inout [UInt8]) -> Void) throws {
    let flash = bench.board.configuration.flash
    for offset in stride(
      from: flash.ringOffset, to: flash.ringOffset + flash.ringSize, by: Self.slotSize)
    {
      var bytes = try bench.board.nor(at: offset, count: Self.slotSize)
      change(&bytes)
      try bench.board.setNor(at: offset, to: bytes)
    }
  }

  /// Puts a checksum of `range` behind it.
  private func seal(_ bytes: inout [UInt8], _ range: Range<Int>) {
    let crc = bytes[range].withUnsafeBytes { CRC32C.checksum($0) }
    for i in 0..<4 { bytes[range.upperBound + i] = UInt8(truncatingIfNeeded: crc >> (8 * i)) }
  }

  /// Boots and expects that nothing is offered, and that crashes are captured as if the ring were new.
  private func expectReclaimed(_ bench: Bench, slotSize: UInt32 = 4096) throws {
    bench.reboot()
    bench.give()
    #expect(bench.next() == nil)
    for pc in [0x400, 0x500, 0x600] as [UInt32] {
      bench.crash(makeFaultContext(pc: pc))
      bench.boot()
    }
    let dumps = try bench.fetchAll().values.map { try bench.decode($0) }
    #expect(Set(dumps.map { $0.core?.pc }) == [0x400, 0x500, 0x600])
  }

  @Test(arguments: ["noise", "zeros", "text"])
  func `a ring full of foreign data is reclaimed and none of it offered`(data: String) throws {
    let bench = try fullBench()
    var generator = SeededGenerator.fromEnvironment()
    try changeSlots(bench) { bytes in
      switch data {
      case "noise": bytes = generator.bytes(Self.slotSize)
      case "zeros": bytes = [UInt8](repeating: 0, count: Self.slotSize)
      default: bytes = (0..<Self.slotSize).map { Array("RDY1 MDMP DONE ".utf8)[$0 % 15] }
      }
    }
    try expectReclaimed(bench)
  }

  @Test(arguments: [-1, 1, 100] as [Int])
  func `a ring of another format version is reclaimed and none of it offered`(by: Int) throws {
    let bench = try fullBench()
    try changeSlots(bench) { bytes in
      bytes[4] = UInt8(truncatingIfNeeded: Int(bytes[4]) + by)
      seal(&bytes, 0..<12)
    }
    try expectReclaimed(bench)
  }

  @Test(arguments: [(4096, 8192), (8192, 4096), (4096, 16384)] as [(UInt32, UInt32)])
  func `a ring with slots of another size is reclaimed and none of it offered`(
    from: UInt32, to: UInt32
  ) throws {
    let before = try Bench(slotSize: from)
    before.boot()
    before.give()
    for pc in [0x100, 0x200, 0x300] as [UInt32] {
      before.crash(makeFaultContext(pc: pc))
      before.boot()
    }
    #expect(before.fetchAll().count == 3)
    let after = try Bench(.small(ringSectors: 16), slotSize: to)
    try after.board.setNor(at: 0, to: try before.board.norImage())
    after.boot()
    after.give()
    try expectReclaimed(after)
  }

  @Test func `dumps of a version from the future are not offered as valid`() throws {
    let bench = try fullBench()
    try changeSlots(bench) { bytes in
      guard bytes[128...].starts(with: Array("MDMP".utf8)) else { return }
      bytes[128 + 4] = 3
      seal(&bytes, 128..<128 + 92)
    }
    try expectReclaimed(bench)
  }

  @Test func `a dump that claims to be longer than its slot is not offered`() throws {
    let bench = try fullBench()
    try changeSlots(bench) { bytes in
      guard bytes[128...].starts(with: Array("MDMP".utf8)) else { return }
      bytes[226] = 0xFF
      seal(&bytes, 224..<252)
    }
    try expectReclaimed(bench)
  }

  @Test(arguments: ["noise", "zeros"])
  func `a state area full of foreign data is begun anew`(data: String) throws {
    let bench = try Bench()
    let flash = bench.board.configuration.flash
    var generator = SeededGenerator.fromEnvironment()
    let size = Int(flash.stateSize)
    try bench.board.setNor(
      at: flash.stateOffset,
      to: data == "noise" ? generator.bytes(size) : [UInt8](repeating: 0, count: size))
    bench.boot()
    bench.give()
    let first = try #require(bench.hello())
    #expect(first.bootCount == 1)
    for pc in [0x400, 0x400, 0x400, 0x400] as [UInt32] {
      bench.crash(makeFaultContext(pc: pc))
      bench.boot()
    }
    #expect(bench.hello()?.bootCount == 5)
    #expect(bench.hello()?.deviceID == first.deviceID)
    #expect(bench.fetchAll().count == 3)
    #expect(bench.tallies()?.map(\.crashes) == [4])
  }
}
