// Crashes in turn, so that a board keeps a dump of each.

import MartletTestKit
import Synchronization

/// The demo's crashes. A board keeps three dumps of one fingerprint and counts what comes after.
final class Crashes: Sendable {
  private static let commands = [
    "crash null", "crash address", "crash fetch", "crash undefined", "crash divide",
    "crash unaligned", "crash execute", "crash code", "crash protected", "crash hardfault",
    "crash floats", "crash abort", "crash handler", "crash overflow", "crash bounds", "crash nil",
    "crash reason", "crash assert", "crash recursion",
  ]

  private let counts = Mutex<[String: Int]>([:])

  /// The next one for a board.
  ///
  /// - Throws: ``ProcessFailure`` when the board would keep no dump of it.
  func next(on serial: String) throws(ProcessFailure) -> String {
    let number = counts.withLock { counts in
      defer { counts[serial, default: 0] += 1 }
      return counts[serial, default: 0]
    }
    guard number < 3 * Self.commands.count else {
      throw ProcessFailure(
        .unexpected, "the scenarios crash a board more often than it keeps dumps")
    }
    return Self.commands[number % Self.commands.count]
  }
}
