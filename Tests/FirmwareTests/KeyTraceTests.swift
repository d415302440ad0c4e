// Where keys lie on the board: in flash and in the RAM that sealing keeps them in, and nowhere else.

import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct KeyTraceTests {
    /// The board's RAM behind its image.
    private static let memory: UInt32 = 0x4_0000
    private static let size = 0x8_0000
    /// The identity's record in the flash: magic, private key (docs/formats/ring.md, Identity).
    private static let identity = 0xF_4000
    /// What sealing keeps begins so, with the exporter secret 16 bytes on.
    private static let keptMagic = Array("MSK1".utf8)

    /// Where eight bytes in a row of a key lie in memory.
    private static func places(of key: [UInt8], in memory: [UInt8]) -> [Int] {
      var runs: Set<[UInt8]> = []
      for at in 0...(key.count - 8) { runs.insert(Array(key[at..<(at + 8)])) }
      let first = Set(runs.map { $0[0] })
      return (0...(memory.count - 8)).filter {
        first.contains(memory[$0]) && runs.contains(Array(memory[$0..<($0 + 8)]))
      }
    }

    @Test func `a lease and a boot leave no key in RAM but where sealing keeps it`() async throws {
      let seen = try await Firmware.withBoard { board in
        let (link, _) = try board.startWithConsent()
        // It answers what comes behind the lease, and is through with that.
        _ = try link.who()
        try board.pause()
        let leased = try board.memory(at: Self.memory, count: Self.size)
        try board.pressReset()
        _ = try link.starting()
        try link.wait(forText: "ready")
        _ = try link.who()
        try board.pause()
        let booted = try board.memory(at: Self.memory, count: Self.size)
        try board.cutPower()
        return (leased: leased, booted: booted, flash: try board.flashBytes())
      }
      #expect(seen.flash[Self.identity..<(Self.identity + 4)].elementsEqual(Array("MID2".utf8)))
      let privateKey = Array(seen.flash[(Self.identity + 4)..<(Self.identity + 36)])
      #expect(Set(privateKey).count > 8)
      #expect(Self.places(of: privateKey, in: seen.leased) == [], "after a lease")
      #expect(Self.places(of: privateKey, in: seen.booted) == [], "after a boot")

      let kept = try #require(seen.leased.firstRange(of: Self.keptMagic)?.lowerBound)
      let secret = Array(seen.leased[(kept + 16)..<(kept + 48)])
      #expect(Set(secret).count > 8)
      #expect(
        Self.places(of: secret, in: seen.leased) == Array((kept + 16)...(kept + 40)),
        "the exporter secret lies elsewhere, too")
    }
  }
}
