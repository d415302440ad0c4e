// Thousands of seeded sessions on bad lines: nothing is lost, and nothing is kept twice.

import Foundation
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct LinkCampaignTests {
  /// 10,000 sessions with `MARTLET_CAMPAIGN` set, a slice of them otherwise.
  static let sessions =
    ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] == nil ? 300 : 10_000
  private static let batch = 50

  @Test func `whatever befalls a session, each dump is at the host once`() async throws {
    var seeds = SeededGenerator.fromEnvironment()
    var lost = 0
    var twice = 0
    try await withThrowingTaskGroup(of: [LinkStory.Outcome].self) { group in
      for _ in 0..<Self.sessions / Self.batch {
        let batch = (0..<Self.batch).map { _ in LinkStory(seed: seeds.next()) }
        group.addTask { try batch.map { try $0.run() } }
      }
      for try await outcomes in group {
        for outcome in outcomes {
          lost += outcome.lost
          twice += outcome.twice
          #expect(outcome.isGood, "\(outcome.words)")
        }
      }
    }
    Figure.report("link.campaign.sessions", Self.sessions)
    Figure.report("link.campaign.lost", lost)
    Figure.report("link.campaign.twice", twice)
  }

  /// Sessions that went wrong once, by what was wrong.
  @Test(
    arguments: [
      // Every 250th byte is hit: frames of 1 KiB never passed, and nothing made them smaller.
      ("frames too large for the line", 9_942_605_508_637_250_662),
      ("frames too large for the line, which broke, too", 5_010_899_516_103_908_254),
    ] as [(String, UInt64)])
  func `a session that went wrong goes right`(what: String, seed: UInt64) throws {
    let outcome = try LinkStory(seed: seed).run()
    #expect(outcome.isGood, "\(what): \(outcome.words)")
  }
}
