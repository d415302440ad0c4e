// Without consent the real board keeps nothing and gives nothing away.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct ConsentTests {
    @Test func `a crash without consent changes no byte of flash but the boot counter`()
      async throws
    {
      let seen = try await Firmware.withBoard { board in
        // The first boot readies the ring.
        _ = try board.start().starting()
        try board.cutPower()
        let before = try board.flashBytes()
        let link = try board.start()
        let hello = try link.hello()
        try link.wait(forText: "ready")
        link.type("crash undefined 5EED0000")
        let after = try link.hello { $0.bootCount > hello.bootCount }
        let refusals = try [FrameType.next, .fetch].map { type in
          try link.request(type) { frame in
            if type == .next {
              Next(after: DumpKey(bootCount: 0, sequence: 0)).append(to: &frame)
            } else {
              Fetch(
                key: DumpKey(bootCount: hello.bootCount, sequence: 1), transfer: 1, offset: 0,
                length: 128
              ).append(to: &frame)
            }
          }
        }
        try board.cutPower()
        let flash = try board.flashBytes()
        let changed = flash.indices.filter { flash[$0] != before[$0] }
        return (hello: hello, after: after, refusals: refusals, changed: changed)
      }
      #expect(seen.hello.leaseState == .suspended, "a cold start has no consent")
      #expect(seen.after.resetCause == .fault)
      #expect(seen.after.bootCount == seen.hello.bootCount + 1)
      #expect(seen.after.uncapturedCrashes == 1)
      #expect(seen.after.dumpsWaiting == 0)
      for refusal in seen.refusals {
        #expect(refusal.type == .refused)
        #expect(refusal.payload.last == RefusalCode.noLease.rawValue)
      }
      #expect(!seen.changed.contains { QEMUBoard.ring.contains($0) })
      // Two boots, two bits: nothing else.
      #expect(seen.changed.allSatisfy { QEMUBoard.bootCounter.contains($0) })
      #expect(seen.changed.count <= 2)
    }

    @Test func `a denial drops what was captured, and flash no longer offers it`() async throws {
      let seen = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        link.type("crash reason")
        let crashed = try link.hello { $0.bootCount > first.bootCount }
        let denial = try link.give(crashed, allowed: false, epoch: 2)
        let denied = try link.who()
        let refusal = try link.request(.next) {
          Next(after: DumpKey(bootCount: 0, sequence: 0)).append(to: &$0)
        }
        // Consent given again does not bring it back.
        let allowed = try link.give(denied, epoch: 3)
        let offers = try link.offers()
        return (
          crashed: crashed, denial: denial, denied: denied, refusal: refusal, allowed: allowed,
          offers: offers.count
        )
      }
      #expect(seen.crashed.dumpsWaiting == 1)
      #expect(seen.denial.state == .denied && seen.denial.refusal == .accepted)
      #expect(seen.denied.dumpsWaiting == 0)
      #expect(seen.refusal.type == .refused && seen.refusal.payload.last == 5)
      #expect(seen.allowed.state == .allowed)
      #expect(seen.offers == 0)
    }

    @Test func `a power cut suspends consent, and a waiting dump leaves only under a new one`()
      async throws
    {
      let seen = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        link.type("crash null")
        _ = try link.hello { $0.bootCount > first.bootCount }
        try board.cutPower()
        let again = try board.start()
        let hello = try again.hello()
        let refusal = try again.request(.next) {
          Next(after: DumpKey(bootCount: 0, sequence: 0)).append(to: &$0)
        }
        _ = try again.give(hello)
        return (hello: hello, refusal: refusal, offers: try again.offers().map(\.key), first: first)
      }
      #expect(seen.hello.resetCause == .powerOn)
      #expect(seen.hello.leaseState == .suspended)
      #expect(seen.hello.dumpsWaiting == 1)
      #expect(seen.refusal.type == .refused && seen.refusal.payload.last == 5)
      #expect(seen.offers == [DumpKey(bootCount: seen.first.bootCount, sequence: 1)])
    }

    @Test func `the flash of a stolen board gives nothing of a dump away`() async throws {
      let marker = Marker(demoSeed: 0x57_01E4)
      let seen = try await Firmware.withBoard { board in
        let (link, _) = try board.startWithConsent()
        try link.wait(forText: "ready")
        link.type("marker 5701E4")
        try link.wait(forText: "filled and registered")
        let before = try link.who()
        link.type("crash null")
        _ = try link.hello { $0.bootCount > before.bootCount }
        let sealed = try link.offers().map { try link.fetch($0) }
        let opened = try sealed.map { try link.open($0) }
        try board.cutPower()
        return (sealed: sealed, opened: opened, flash: try board.flashBytes())
      }
      // The region, and what of it lies behind the stack.
      #expect(
        seen.opened.count == 1 && seen.opened.allSatisfy { marker.count(in: $0) >= marker.runCount }
      )
      #expect(seen.sealed.map { marker.count(in: $0) } == [0])
      #expect(marker.count(in: seen.flash) == 0)
    }
  }
}
