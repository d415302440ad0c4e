// One crash from command to dump, on a board of its own.

import ConsentLease
import DumpAnalysis
import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit

/// What was seen of a crash.
struct CrashRun: Sendable {
  /// Before the crash and after the reboot.
  var before: Hello
  var after: Hello
  /// The dump in the clear.
  var bytes: [UInt8]
  /// From power-on to the reboot's HELLO, as this machine's clock has it.
  var elapsed: Duration
  /// What waits after the dump was released.
  var left: Int

  /// Gives consent, types the command, and fetches what the reboot offers.
  static func of(_ command: String) async throws -> CrashRun {
    try await Firmware.withBoard { board in
      let poweredOn = ContinuousClock.now
      let (link, before) = try board.startWithConsent()
      try link.wait(forText: "ready")
      link.type(command)
      let after = try link.hello { $0.bootCount > before.bootCount }
      let elapsed = poweredOn.duration(to: .now)
      _ = try link.welcome()
      let first = DumpKey(bootCount: 0, sequence: 0)
      guard let offer = try link.offer(after: first) else {
        throw ProcessFailure(.unexpected, "nothing is offered after \(command)\n\(link.text)")
      }
      let bytes = try link.open(link.fetch(offer))
      _ = try link.receipt(offer.key, .stored)
      let left = Int(try link.who().dumpsWaiting)
      _ = try link.go()
      return CrashRun(before: before, after: after, bytes: bytes, elapsed: elapsed, left: left)
    }
  }
}
