// Leases that are not what they seem, against the real verifier on the board.

import ConsentLease
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct LeaseForgeryTests {
    private struct Attempt: Sendable {
      var name: String
      var bytes: [UInt8]
      var refusals: Set<LeaseRefusal>
    }

    private static func attempts(
      _ good: [UInt8], _ terms: LeaseTerms, _ authority: LeaseAuthority
    ) -> [Attempt] {
      func changed(_ change: (inout LeaseTerms) -> Void) -> [UInt8] {
        var changed = terms
        change(&changed)
        return authority.lease(changed)
      }
      var attempts = [
        Attempt(
          name: "another catalog's", bytes: LeaseAuthority(seed: 9).lease(terms),
          refusals: [.signature]),
        Attempt(
          name: "49 h", bytes: changed { $0.lifetime = 49 * 3600 }, refusals: [.lifetimeTooLong]),
        Attempt(
          name: "another device's", bytes: changed { $0.device[5] ^= 1 }, refusals: [.otherDevice]),
        Attempt(
          name: "an old nonce's", bytes: changed { $0.nonce[5] ^= 1 }, refusals: [.otherNonce]),
        Attempt(name: "older", bytes: changed { $0.epoch -= 1 }, refusals: [.olderEpoch]),
        Attempt(
          name: "unsigned", bytes: good.dropLast(64) + [UInt8](repeating: 0, count: 64),
          refusals: [.signature]),
        Attempt(
          name: "known to all", bytes: changed { $0.sealingKey = [UInt8](repeating: 0, count: 32) },
          refusals: [.sealingKey]),
      ]
      for length in stride(from: 0, to: good.count, by: 13) {
        attempts.append(
          Attempt(
            name: "cut at \(length)", bytes: Array(good.prefix(length)), refusals: [.malformed]))
      }
      // Each byte, and of the signed part each bit in turn.
      for byte in good.indices {
        var flipped = good
        flipped[byte] ^= 1 << UInt8(byte & 7)
        attempts.append(
          Attempt(
            name: "byte \(byte) flipped", bytes: flipped,
            refusals: [
              .malformed, .otherVersion, .otherDevice, .otherNonce, .lifetimeTooLong, .signature,
              .olderEpoch,
            ]))
      }
      return attempts
    }

    @Test func `every forged lease is refused on the board, with a reason`() async throws {
      let problems = try await Firmware.withBoard { board in
        let authority = LeaseAuthority()
        let link = try board.start()
        try link.provision(authority)
        _ = try link.give(link.who(), epoch: 7, authority: authority)
        var hello = try link.who()
        let terms = authority.terms(
          for: hello, epoch: 7, lifetime: 3600, knownFingerprints: [1, 2])
        let good = authority.lease(terms)
        var problems: [String] = []
        var refused = 0
        for attempt in Self.attempts(good, terms, authority) {
          let status = try link.send(lease: attempt.bytes)
          if attempt.refusals.contains(status.refusal) {
            refused += 1
          } else {
            problems.append("\(attempt.name): \(status.refusal)")
          }
        }
        // The same lease again after it was taken, and after another was.
        if try link.send(lease: good).refusal != .accepted { problems.append("the good one") }
        hello = try link.who()
        _ = try link.give(hello, epoch: 7, authority: authority)
        let replay = try link.send(lease: good)
        if replay.refusal != .otherNonce { problems.append("replayed: \(replay.refusal)") }
        let lines = link.text.matches(of: /martlet: lease refused: [^\r]+\r\n/).count
        if lines != refused + 1 { problems.append("\(lines) reasons of \(refused + 1)") }
        return problems
      }
      #expect(problems == [])
    }

    @Test func `the board says in words why it refuses`() async throws {
      let text = try await Firmware.withBoard { board in
        let link = try board.start()
        let authority = LeaseAuthority()
        try link.provision(authority)
        let terms = try authority.terms(for: link.who())
        _ = try link.send(lease: LeaseAuthority(seed: 9).lease(terms))
        try link.wait(forText: "lease refused: signature does not hold")
        return link.text
      }
      #expect(text.contains("martlet: lease refused: signature does not hold"))
    }
  }
}
