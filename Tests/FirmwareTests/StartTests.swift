// How long a dump may hold the application up, by the board's own clock.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct StartTests {
    @Test func `with no dump waiting the application starts at once`() async throws {
      let seen = try await Firmware.withBoard { board in
        let link = try board.start()
        let reason = try link.starting()
        try link.wait(forText: "ready")
        return (reason: reason, hello: try link.hello(), more: link.pending(.hello).count)
      }
      #expect(seen.reason == .nothingToForward)
      #expect(seen.hello.phase == .application)
      #expect(seen.more == 0, "the board waited and said HELLO again")
    }

    @Test func `with a dump waiting and nobody there the application starts after 5 s`()
      async throws
    {
      let seen = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        link.type("crash nil")
        _ = try link.hello { $0.bootCount > first.bootCount }
        let rebooted = ContinuousClock.now
        let reason = try link.starting()
        // The first one was this boot's; the boot before had started its application, too.
        let last = try link.frame("the second STARTING") { $0.type == .starting }
        let waited = rebooted.duration(to: .now)
        try link.wait(forText: "ready")
        link.type("uptime")
        try link.wait(forText: "s since power-on")
        let hello = try link.who()
        return (
          reason: reason, last: last.payload, waited: waited, hello: hello,
          greetings: link.pending(.hello).count
        )
      }
      #expect(seen.reason == .nothingToForward, "before the crash")
      #expect(seen.last == [StartReason.nobodyAnswered.rawValue])
      // This machine's clock runs on while QEMU is held up, never the other way round.
      #expect(seen.waited > .milliseconds(4500))
      // One greeting every 500 ms; the first was taken above.
      #expect((8...10).contains(seen.greetings))
      #expect(seen.hello.phase == .application)
      #expect(seen.hello.dumpsWaiting == 1, "the dump waits on")
    }

    @Test func `a host that falls silent holds the application up for 5 s at most`() async throws {
      let seen = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        try link.wait(forText: "ready")
        _ = try link.starting()
        link.type("crash bounds")
        _ = try link.hello { $0.bootCount > first.bootCount }
        _ = try link.welcome()
        let spoke = ContinuousClock.now
        let reason = try link.starting()
        return (reason: reason, waited: spoke.duration(to: .now))
      }
      #expect(seen.reason == .hostFellSilent)
      #expect(seen.waited > .milliseconds(4900))
    }
  }
}
