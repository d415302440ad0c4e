// How a board gets its identity, keeps it, and whom it trusts from then on.

import BoardHAL
@testable import BootAgent
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct ProvisioningTests {
  private let challenge = [UInt8](50..<66)

  /// A board fresh from the factory.
  private func fresh(_ configuration: EmulatedBoard.Configuration = .small()) throws -> Bench {
    let bench = try Bench(configuration)
    bench.board.restart()
    bench.bootUnprovisioned()
    return bench
  }

  private func provision(_ bench: Bench, _ authority: LeaseAuthority) -> BoardFrame? {
    bench.ask(.provision, turns: 2) { frame in
      authority.provision(challenge: challenge).withUnsafeBytes { frame.append($0) }
    }.last
  }

  private func refusal(_ frame: BoardFrame?) -> RefusalCode? {
    frame.flatMap { frame in
      frame.is(.refused)
        ? try? frame.payload.withUnsafeBytes { try Refused(decoding: $0).code } : nil
    }
  }

  @Test func `a fresh board has no name, takes no lease and says what is missing`() throws {
    let bench = try fresh()
    #expect(bench.hello()?.deviceID == DeviceID())
    #expect(bench.give()?.refusal == .notProvisioned)
    #expect(
      String(decoding: bench.boardText, as: UTF8.self)
        == "martlet: lease refused: the board is not provisioned\r\n")
  }

  @Test func `a board proves that it has the key that its name is made of`() throws {
    let bench = try fresh()
    let identity = try #require(provision(bench, bench.authority))
    #expect(identity.is(.identity))
    let device = try bench.authority.device(proving: identity.payload, challenge: challenge)
    #expect(bench.hello()?.deviceID.bytes.array == device.id)
    // The proof is for this challenge, this catalog and this claim key.
    #expect(throws: ConsentFailure.wrongProof) {
      _ = try bench.authority.device(proving: identity.payload, challenge: [UInt8](51..<67))
    }
    #expect(throws: ConsentFailure.wrongProof) {
      _ = try LeaseAuthority(seed: 2).device(proving: identity.payload, challenge: challenge)
    }
    for byte in 0..<96 {
      var flipped = identity.payload
      flipped[byte] ^= 4
      #expect(throws: ConsentFailure.self) {
        _ = try bench.authority.device(proving: flipped, challenge: challenge)
      }
    }
    #expect(bench.give()?.state == .allowed)
  }

  @Test func `provisioning again gives the same identity and a new proof`() throws {
    let bench = try fresh()
    let first = try #require(provision(bench, bench.authority))
    bench.give()
    let second = try #require(provision(bench, bench.authority))
    #expect(first.payload.prefix(32) == second.payload.prefix(32))
    #expect(first.payload != second.payload)
    _ = try bench.authority.device(proving: second.payload, challenge: challenge)
    // Consent goes on.
    #expect(bench.hello()?.leaseState == .allowed)
  }

  @Test func `a board that trusts one service is not taken over by another`() throws {
    let bench = try fresh()
    _ = provision(bench, bench.authority)
    let name = bench.hello()?.deviceID
    let other = LeaseAuthority(seed: 2)
    #expect(refusal(provision(bench, other)) == .otherService)
    bench.bootCold()
    #expect(refusal(provision(bench, other)) == .otherService)
    #expect(bench.hello()?.deviceID == name)
    #expect(bench.send(lease: other.lease(bench.terms()))?.refusal == .signature)
    #expect(bench.give()?.state == .allowed)
  }

  @Test func `flash that cannot be read for once costs no board its identity`() throws {
    for operation in 1...40 {
      let bench = try fresh()
      _ = provision(bench, bench.authority)
      let name = bench.hello()?.deviceID
      bench.board.inject(.readFails, atOperation: operation)
      bench.board.warmReset(cause: .software)
      bench.bootUnprovisioned()
      let answer = provision(bench, bench.authority)
      #expect(answer.map { $0.is(.identity) || refusal($0) == .flashFailed } == true)
      bench.board.warmReset(cause: .software)
      bench.bootUnprovisioned()
      #expect(bench.hello()?.deviceID == name, "read \(operation)")
    }
  }

  @Test func `a board without entropy gets no identity`() throws {
    var configuration = EmulatedBoard.Configuration.small()
    configuration.hasEntropy = false
    let bench = try fresh(configuration)
    #expect(refusal(provision(bench, bench.authority)) == .flashFailed)
    #expect(bench.hello()?.deviceID == DeviceID())
  }

  @Test func `a claim key of small order is refused and gives nothing away`() throws {
    let bench = try fresh()
    var payload = bench.authority.provision(challenge: challenge)
    payload.replaceSubrange(64..<96, with: [UInt8](repeating: 0, count: 32))
    let answer = bench.ask(.provision, turns: 2) { frame in
      payload.withUnsafeBytes { frame.append($0) }
    }
    #expect(refusal(answer.last) == .flashFailed)
  }

  @Test func `PROVISION of any other length is refused`() throws {
    let bench = try fresh()
    for length in [0, 64, 111, 113, 200] {
      let answer = bench.ask(.provision, turns: 2) { frame in
        [UInt8](repeating: 1, count: length).withUnsafeBytes { frame.append($0) }
      }
      #expect(refusal(answer.last) == .malformed)
    }
    #expect(bench.hello()?.deviceID == DeviceID())
  }
}
