// What the board seals, under which keys, and what becomes of them.

import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpFormat
import DumpOpening
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct SealingTests {
  /// The key of the next dump in the ring, as retained RAM has it (docs/formats/ring.md).
  private func ringKey(_ bench: Bench) -> [UInt8] { Array(bench.board.retained[232..<264]) }

  @Test func `each dump has a key and a salt of its own`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    for number in 0..<3 as Range<UInt32> {
      bench.crash(makeFaultContext(pc: 0x2000 + 16 * number))
      bench.boot()
    }
    let dumps = try bench.fetchAll().values.map { try SealedDump($0) }
    #expect(dumps.count == 3)
    #expect(Set(dumps.map(\.salt)).count == 3)
    // One exchange for all of a lease.
    #expect(Set(dumps.map(\.encapsulatedKey)).count == 1)
    #expect(Set(dumps.map(\.sealingKeyID)) == [bench.authority.sealingKeyID])
  }

  @Test func `a key is gone once it has sealed, and nothing opens with what a reset keeps`() throws
  {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let key = ringKey(bench)
    #expect(key.contains { $0 != 0 })
    bench.crash()
    #expect(ringKey(bench).allSatisfy { $0 == 0 })
    bench.boot()
    #expect(ringKey(bench) != key && ringKey(bench).contains { $0 != 0 })
    // With consent goes what keys are made of.
    bench.give(allowed: false, epoch: 2)
    #expect(bench.board.retained[128..<320].allSatisfy { $0 == 0 })
  }

  @Test func `a cold start leaves no key, also where RAM kept its content`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let kept = bench.board.retained
    bench.board.powerCycle()
    bench.board.retained = kept
    bench.boot()
    #expect(bench.board.retained[128..<320].allSatisfy { $0 == 0 })
  }

  @Test func `a dump cut anywhere opens up to where it ends`() throws {
    let bench = try Bench(slotSize: 8192)
    bench.boot()
    bench.give()
    try bench.board.setMemory(
      at: 0x2000_4000, to: (0..<4096).map { UInt8(truncatingIfNeeded: $0 * 7) })
    bench.board.run { _ = CrashCapture.register(address: 0x2000_4000, length: 4096, id: 1) }
    bench.crash()
    bench.boot()
    let dump = try #require(bench.fetchAll().first?.value)
    let whole = try bench.open(dump)
    for length in stride(from: 128 + 1024, to: dump.count, by: 97) {
      let part = try bench.openWhatIsThere(Array(dump.prefix(length)))
      let blocks = (length - 128) / 1024 * 1008 - 64
      #expect(Array(part[128...].prefix(blocks)) == Array(whole[128...].prefix(blocks)))
      #expect(throws: (any Error).self) { _ = try bench.open(Array(dump.prefix(length))) }
    }
  }

  @Test func `no bit of a dump can be changed on its way`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.board.run { CrashCapture.limitStack(to: 64) }
    bench.crash()
    bench.boot()
    let dump = try #require(bench.fetchAll().first?.value)
    for bit in stride(from: 0, to: dump.count * 8, by: 3) {
      var changed = dump
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      // A bridge that knows the format mends every checksum.
      changed = withRightChecksums(changed, lengthToo: false)
      let opened = try? bench.open(changed)
      #expect(opened == nil || changed == dump || isUnused(bit), "bit \(bit)")
    }
  }

  /// Bits of a dump that mean nothing and that nobody looks at: reserved in commit and envelope.
  private func isUnused(_ bit: Int) -> Bool {
    (104 * 8 + 1..<120 * 8).contains(bit) || (136 * 8..<144 * 8).contains(bit)
  }

  @Test func `without entropy for a salt a crash is counted and nothing else`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash()
    bench.boot()
    bench.board.setEntropy(works: false)
    bench.crash(makeFaultContext(pc: 0x3000))
    bench.boot()
    // The keys that were ready: one for the ring, one for registers in retained RAM.
    #expect(bench.fetchAll().count == 2)
    bench.crash(makeFaultContext(pc: 0x4000))
    bench.boot()
    let third = bench.fetchAll()[DumpKey(bootCount: 3, sequence: 1)]
    #expect(try third.map { try bench.decode($0) }?.header.isRegisterOnly == true)
    bench.crash(makeFaultContext(pc: 0x5000))
    bench.boot()
    #expect(bench.hello()?.uncapturedCrashes == 1)
    #expect(bench.fetchAll().count == 3)
  }

  @Test func `dumps of another consent are dropped when the board learns of the new one`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give(epoch: 3)
    bench.crash()
    bench.boot()
    // A renewal keeps them.
    bench.give(epoch: 3)
    #expect(bench.hello()?.dumpsWaiting == 1)
    // Moved to another group, whose owner allows dumps as well.
    bench.give(epoch: 4)
    #expect(bench.hello()?.dumpsWaiting == 0)
    #expect(bench.next() == nil)
    bench.crash(makeFaultContext(pc: 0x7000))
    bench.boot()
    #expect(bench.hello()?.dumpsWaiting == 1)
    // Power was away, and the epoch with it: what is of the lease's epoch stays.
    bench.bootCold()
    bench.give(epoch: 4)
    #expect(bench.hello()?.dumpsWaiting == 1)
    bench.bootCold()
    bench.give(epoch: 5)
    #expect(bench.hello()?.dumpsWaiting == 0)
  }

  @Test func `a dump of another consent that flash did not let go is dropped at the next boot`()
    throws
  {
    let bench = try Bench()
    bench.boot()
    bench.give(epoch: 3)
    bench.crash()
    bench.boot()
    #expect(bench.hello()?.dumpsWaiting == 1)
    let lease = bench.authority.lease(bench.terms(epoch: 4))
    bench.board.inject(.programFails, atOperation: 1)
    #expect(bench.send(lease: lease)?.state == .allowed)
    #expect(bench.hello()?.dumpsWaiting == 1)
    bench.reboot()
    #expect(bench.hello()?.leaseState == .allowed)
    #expect(bench.hello()?.dumpsWaiting == 0)
  }

  @Test func `of fingerprints that the fleet has enough of no dump is kept, only the count`() throws
  {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let context = makeFaultContext(pc: 0x5000)
    let known = Fingerprint(kind: .usageFault, context: context)
    bench.send(lease: bench.authority.lease(bench.terms(known: [1, known.rawValue.low, 2])))
    bench.crash(context)
    bench.boot()
    #expect(bench.fetchAll().isEmpty)
    #expect(bench.tallies()?.map(\.crashes) == [1])
    bench.crash(makeFaultContext(pc: 0x5004))
    bench.boot()
    #expect(bench.fetchAll().count == 1)
    #expect(bench.hello()?.uncapturedCrashes == 0)
  }
}
