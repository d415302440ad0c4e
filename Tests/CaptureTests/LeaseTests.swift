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

  @Test func `a lease lies byte by byte where the format says`() throws {
    var lease = Lease(
      isAllowed: true, dumpsPerFingerprint: 5, nonce: InlineArray(repeating: 0xA1),
      epoch: 0x0403_0201, lifetime: 0x0001_5180, deviceID: InlineArray(repeating: 0xD7))
    lease.nonce[0] = 1
    lease.sealingKeyID = 0x0100_5F02
    lease.sealingKey = InlineArray(repeating: 0x5E)
    lease.knownCount = 2
    lease.known[0] = 0x1122_3344
    lease.known[1] = 0x5566_7788
    var golden: [UInt8] = [0x4D, 0x4C, 2, 1, 1, 5, 2, 0, 1]
    golden += [UInt8](repeating: 0xA1, count: 15) + [1, 2, 3, 4, 0x80, 0x51, 1, 0]
    golden += [UInt8](repeating: 0xD7, count: 64) + [0x02, 0x5F, 0x00, 0x01]
    golden += [UInt8](repeating: 0x5E, count: 32)
    golden += [0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55]
    #expect(lease.bytes == golden)
    // And is read from there again.
    let signed = golden + [UInt8](repeating: 0, count: 64)
    let read = try signed.withUnsafeBytes { try Lease(decoding: $0) }
    #expect(read.bytes == golden)
  }

  @Test func `the longest lease fits in a frame and is taken`() throws {
    let bench = try Bench()
    bench.boot()
    let bytes = bench.authority.lease(bench.terms(known: (1...12).map { $0 }))
    #expect(bytes.count == Lease.largestSize)
    #expect(bytes.count <= FrameLimit.initial - FrameLimit.overhead)
    #expect(refusal(bench, bytes) == .accepted)
  }

  @Test func `a lease that is not for this board and this request is refused`() throws {
    let bench = try Bench()
    bench.boot()
    let good = bench.terms(epoch: 4)
    func changed(_ change: (inout LeaseTerms) -> Void) -> [UInt8] {
      var terms = good
      change(&terms)
      return bench.authority.lease(terms)
    }
    #expect(refusal(bench, changed { $0.device[0] ^= 1 }) == .otherDevice)
    #expect(refusal(bench, changed { $0.device[63] ^= 1 }) == .otherDevice)
    #expect(refusal(bench, changed { $0.nonce[0] ^= 1 }) == .otherNonce)
    #expect(refusal(bench, changed { $0.nonce[15] ^= 1 }) == .otherNonce)
    #expect(refusal(bench, changed { $0.lifetime = 49 * 3600 }) == .lifetimeTooLong)
    #expect(refusal(bench, changed { $0.lifetime = 172_801 }) == .lifetimeTooLong)
    #expect(refusal(bench, changed { $0.version = 1 }) == .otherVersion)
    #expect(refusal(bench, changed { $0.version = 3 }) == .otherVersion)
    #expect(refusal(bench, changed { $0.signatureKind = 0 }) == .signature)
    #expect(refusal(bench, changed { $0.signatureKind = 2 }) == .signature)
    #expect(refusal(bench, changed { $0.verdict = 2 }) == .malformed)
    #expect(refusal(bench, changed { $0.claimedFingerprints = 1 }) == .malformed)
    #expect(
      refusal(bench, changed { $0.knownFingerprints = [UInt32](repeating: 1, count: 13) })
        == .malformed)
    #expect(refusal(bench, changed { $0.magic = [0, 0x4C] }) == .malformed)
    #expect(refusal(bench, LeaseAuthority(seed: 2).lease(good)) == .signature)
    // A key with which everybody knows the secret.
    #expect(
      refusal(bench, changed { $0.sealingKey = [UInt8](repeating: 0, count: 32) }) == .sealingKey)
    #expect(
      refusal(bench, changed { $0.sealingKey = [1] + [UInt8](repeating: 0, count: 31) })
        == .sealingKey)
    #expect(refusal(bench, bench.authority.lease(good)) == .accepted)
    #expect(bench.hello()?.leaseState == .allowed)
  }

  @Test func `the board says on its console why it does not take a lease`() throws {
    let bench = try Bench()
    bench.boot()
    bench.give()
    let replayed = bench.authority.lease(bench.terms())
    bench.send(lease: replayed)
    bench.send(lease: bench.authority.lease(bench.terms()))
    #expect(bench.boardText.isEmpty)
    bench.send(lease: replayed)
    #expect(
      String(decoding: bench.boardText, as: UTF8.self)
        == "martlet: lease refused: for another nonce (replayed or late)\r\n")
    // One line for each, and nothing of it is taken for part of a frame.
    bench.send(lease: LeaseAuthority(seed: 2).lease(bench.terms()))
    #expect(
      String(decoding: bench.boardText, as: UTF8.self).hasSuffix("signature does not hold\r\n"))
    #expect(bench.hello()?.leaseState == .allowed)
  }

  /// Every length, every bit: a signature covers all of it.
  @Test func `no truncated, lengthened or flipped lease is accepted`() throws {
    var forged = 0
    for isAllowed in [true, false] {
      let bench = try Bench()
      bench.boot()
      let good = bench.authority.lease(bench.terms(allowed: isAllowed, known: isAllowed ? [7] : []))
      for length in 0..<good.count {
        if refusal(bench, Array(good.prefix(length))) == .accepted { forged += 1 }
      }
      #expect(refusal(bench, good + [0]) == .malformed)
      #expect(refusal(bench, good + [0, 0, 0, 0]) == .malformed)
      for bit in 0..<good.count * 8 {
        var flipped = good
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        let answer = refusal(bench, flipped)
        #expect(answer != nil, "bit \(bit)")
        if answer == .accepted { forged += 1 }
      }
      #expect(bench.send(lease: good)?.refusal == .accepted)
      // Also the damaged repetition of an accepted one.
      for bit in 0..<good.count * 8 {
        var flipped = good
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        if bench.send(lease: flipped)?.refusal == .accepted { forged += 1 }
      }
    }
    Figure.report("lease.forged.accepted", forged, "leases")
    #expect(forged == 0)
  }

  @Test func `a lease that was held back is shorter by that and in the end worth nothing`() throws {
    let bench = try Bench()
    bench.boot()
    bench.board.advance(by: .seconds(30))
    let late = bench.authority.lease(bench.terms())
    bench.board.advance(by: .seconds(3600))
    let left = bench.send(lease: late)?.secondsLeft
    #expect(left == 169_200)
    let tooLate = bench.authority.lease(bench.terms(epoch: 2))
    bench.board.advance(by: .seconds(172_800))
    #expect(bench.send(lease: tooLate)?.refusal == .expired)
    #expect(bench.hello()?.leaseState == .expired)
    // A denial is never too late.
    let denial = bench.authority.lease(bench.terms(allowed: false, epoch: 2))
    bench.board.advance(by: .seconds(172_800))
    #expect(bench.send(lease: denial)?.state == .denied)
  }

  @Test func `a nonce that is asked for again soon is the same`() throws {
    let bench = try Bench()
    bench.boot()
    let first = bench.hello()?.nonce
    bench.board.advance(by: .seconds(19))
    #expect(bench.hello()?.nonce == first)
    bench.board.advance(by: .seconds(1))
    let second = bench.hello()?.nonce
    #expect(second != first)
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
    let bytes = bench.authority.lease(bench.terms(lifetime: 1000))
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
    let first = bench.authority.lease(bench.terms(lifetime: 1000))
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
    // Not even an identity.
    #expect(bench.hello()?.deviceID == DeviceID())
    #expect(bench.give()?.refusal == .notProvisioned)
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

extension Lease {
  /// The lease without its signature.
  fileprivate var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: signedSize)
    bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { encode(to: base) } }
    return bytes
  }
}
