// Hostile requests: a slice of what scripts/hostile sends in a campaign.

import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(5))) struct HostileTests {
    @Test func `hostile requests get no failure and learn nothing`() async throws {
      let outcome = try await onThread {
        let child = try ProcessChild(
          Programs.package.appending(path: ".build/python/bin/python"),
          [Programs.package.appending(path: "scripts/hostile").path, "600"])
        return (
          ending: try child.waitForEnd(within: .seconds(240)), words: child.output + child.errors
        )
      }
      #expect(outcome.ending == .exit(0), "\(outcome.words)")
      #expect(outcome.words.contains("hostile.500 0, hostile.leaks 0"), "\(outcome.words)")
    }
  }
}
