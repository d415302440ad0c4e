// Which leases a board takes, which it refuses and why.

import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpAnalysis
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct LeaseTests {
  private func refusal(_ bench: Bench, _ bytes: [UInt8]) -> LeaseRefusal? {
    let status = bench.send(lease: bytes)
    if status?.refusal != .accepted { #expect(bench.hello()?.leaseState != .allowed) }
    return status?.refusal
  }

  private func sealed(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    let crc = bytes.dropLast(4).withUnsafeBytes { CRC32C.checksum($0) }
    for i in 0..<4 {
      bytes[bytes.count - 4 + i] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(i)))
    }
    return bytes
  }

  @Test func `a lease lies byte by byte where the format says`() {
    var lease = Lease(
      isAllowed: true, dumpsPerFingerprint: 5, nonce: InlineArray(repeating: 0xA1),
      epoch: 0x0403_0201, lifetime: 0x0001_5180, deviceID: InlineArray(repeating: 0xD7))
    lease.nonce[0] = 1
    var golden: [UInt8] = [0x4D, 0x4C, 1, 0, 1, 5, 0, 0, 1]
    golden += [UInt8](repeating: 0xA1, count: 15) + [1, 2, 3, 4, 0x80, 0x51, 1, 0]
    golden += [UInt8](repeating: 0xD7, count: 64) + [0, 0, 0, 0]
    #expect(lease.bytes == sealed(golden))
  }

  @Test func `a lease that is not for this board and this request is refused`() throws {
    let bench = try Bench()
    bench.boot()
    let good = bench.lease(epoch: 4).bytes
    func changed(_ offset: Int, _ value: UInt8) -> [UInt8] {
      var bytes = good
      bytes[offset] = value
      return sealed(bytes)
    }
    #expect(refusal(bench, changed(32, good[32] ^ 1)) == .otherDevice)
    #expect(refusal(bench, changed(95, good[95] ^ 1)) == .otherDevice)
    #expect(refusal(bench, changed(8, good[8] ^ 1)) == .otherNonce)
    #expect(refusal(bench, changed(23, good[23] ^ 1)) == .otherNonce)
    #expect(refusal(bench, changed(28, 1)) == .lifetimeTooLong)
    #expect(refusal(bench, changed(31, 0x7F)) == .lifetimeTooLong)
    #expect(refusal(bench, changed(2, 2)) == .otherVersion)
    #expect(refusal(bench, changed(3, 1)) == .signature)
    #expect(refusal(bench, changed(4, 2)) == .malformed)
    #expect(refusal(bench, changed(6, 4)) == .malformed)
    #expect(refusal(bench, changed(0, 0)) == .malformed)
    #expect(refusal(bench, good) == .accepted)
    #expect(bench.hello()?.leaseState == .allowed)
  }

  @Test func `no truncated, lengthened or flipped lease is accepted`() throws {
    let bench = try Bench()
    bench.boot()
    let good = bench.lease().bytes
    for length in 0..<good.count {
      #expect(refusal(bench, Array(good.prefix(length))) != .accepted, "length \(length)")
    }
    #expect(refusal(bench, good + [0]) == .malformed)
    #expect(refusal(bench, good + [UInt8](repeating: 0, count: 141)) == .malformed)
    for bit in 0..<good.count * 8 {
      var flipped = good
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      let answer = refusal(bench, flipped)
      #expect(answer != nil && answer != .accepted, "bit \(bit)")
    }
    #expect(refusal(bench, good) == .accepted)
    // Also the damaged repetition of an accepted one.
    for bit in 0..<good.count * 8 {
      var flipped = good
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(bench.send(lease: flipped)?.refusal != .accepted, "bit \(bit) repeated")
    }
  }

  @Test func `extensions that nobody knows yet are passed over`() throws {
    let bench = try Bench()
    bench.boot()
    var bytes = bench.lease().bytes
    bytes[6] = 8
    bytes.insert(contentsOf: [1, 0, 4, 0, 9, 9, 9, 9], at: 96)
    #expect(refusal(bench, sealed(bytes)) == .accepted)
  }

  @Test func `an older epoch is refused and the same one accepted`() throws {
    let bench = try Bench()
    bench.boot()
    #expect(bench.give(epoch: 5)?.refusal == .accepted)
    #expect(bench.give(epoch: 5)?.refusal == .accepted)
    #expect(bench.give(epoch: 4)?.refusal == .olderEpoch)
    #expect(bench.hello()?.leaseState == .allowed)
    bench.reboot()
    #expect(bench.give(epoch: 4)?.refusal == .olderEpoch)
    // Since power-on.
    bench.bootCold()
    #expect(bench.give(epoch: 4)?.refusal == .accepted)
  }

  @Test func `a repeated lease is accepted again and extends nothing`() throws {
    let bench = try Bench()
    bench.boot()
    let bytes = bench.lease(lifetime: 1000).bytes
    #expect(bench.send(lease: bytes)?.secondsLeft == 1000)
    bench.board.advance(by: .seconds(400))
    let again = bench.send(lease: bytes)
    #expect(again?.refusal == .accepted && again?.secondsLeft == 600)
    bench.board.advance(by: .seconds(600))
    let late = bench.send(lease: bytes)
    #expect(late?.refusal == .accepted && late?.state == .expired && late?.secondsLeft == 0)
    // After a reset the nonce is another.
    bench.reboot()
    #expect(bench.send(lease: bytes)?.refusal == .otherNonce)
  }

  @Test func `a renewal counts anew and an earlier lease does not come back`() throws {
    let bench = try Bench()
    bench.boot()
    let first = bench.lease(lifetime: 1000).bytes
    bench.send(lease: first)
    bench.board.advance(by: .seconds(900))
    for _ in 0..<3 {
      #expect(bench.give(lifetime: 1000)?.secondsLeft == 1000)
      bench.board.advance(by: .seconds(900))
      #expect(bench.hello()?.leaseState == .allowed)
    }
    #expect(bench.send(lease: first)?.refusal == .otherNonce)
  }

  @Test func `a denial closes the gate and drops what waits`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash()
    bench.boot()
    bench.give()
    bench.crash(makeFaultContext { $0.flags |= UInt32(MARTLET_CONTEXT_NESTED) })
    bench.boot()
    #expect(bench.hello()?.dumpsWaiting == 2)
    #expect(bench.give(allowed: false, epoch: 2)?.state == .denied)
    let hello = try #require(bench.hello())
    #expect(hello.dumpsWaiting == 0 && hello.leaseState == .denied)
    // A later opt-in brings none of it back.
    #expect(bench.give(epoch: 3)?.state == .allowed)
    #expect(bench.fetchAll().isEmpty)
    bench.reboot()
    #expect(bench.fetchAll().isEmpty)
  }

  @Test func `a board without entropy takes no lease`() throws {
    var configuration = EmulatedBoard.Configuration.small()
    configuration.hasEntropy = false
    let bench = try Bench(configuration)
    bench.boot()
    #expect(bench.give()?.refusal == .otherNonce)
    #expect(bench.hello()?.leaseState != .allowed)
  }

  @Test func `seconds are whole and saturate`() {
    let cases: [(UInt64, UInt32)] = [
      (0, 0), (999_999, 0), (1_000_000, 1), (172_800_000_000, 172_800),
      (UInt64(UInt32.max) * 1_000_000, .max), (.max, .max),
    ]
    for (microseconds, seconds) in cases { #expect(wholeSeconds(microseconds) == seconds) }
  }
}
