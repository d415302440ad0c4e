// The power is cut at every byte programmed and every sector erased of a board's life.

import Foundation
import MartletTestKit
import Testing

/// How the power goes.
struct Cut: Sendable, CustomStringConvertible {
  var torn: TornState
  var wholePage: Bool

  var description: String { "\(torn)\(wholePage ? ", whole page" : "")" }

  static let all = [false, true].flatMap { page in
    EmulatedBoard.allTornStates.map { Cut(torn: $0, wholePage: page) }
  }
}

/// The long, exhaustive form of seeded tests.
let isCampaign = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] != nil

@Suite struct PowerCutTests {
  @Test func `an uncut life loses nothing and is offered whole`() throws {
    let story = try PowerCutStory(seed: 1)
    try story.tell()
    let findings = story.verify()
    #expect(findings.isClean, "\(findings)")
  }

  @Test(arguments: Cut.all)
  func `a power cut at any point loses nothing and leaves nothing bogus`(cut: Cut) throws {
    let points = try countPoints()
    // A slice in every run, with other points each time; all of them in a campaign.
    let step = isCampaign ? 1 : 61
    var generator = SeededGenerator.fromEnvironment()
    let start = isCampaign ? 1 : Int.random(in: 1...step, using: &generator)
    var tried = 0
    var sums = (lost: 0, bogus: 0, unmountable: 0)
    for point in stride(from: start, through: points, by: step) {
      let story = try PowerCutStory(seed: UInt64(point))
      story.bench.board.injectPowerCut(at: point, torn: cut.torn, wholePage: cut.wholePage)
      try story.tell()
      #expect(story.bench.board.state == .off, "point \(point)")
      let findings = story.verify()
      #expect(findings.isClean, "\(cut) at \(point) of \(points): \(findings)")
      tried += 1
      sums.lost += findings.lost.count
      sums.bogus += findings.bogus.count + findings.resurrected.count
      sums.unmountable += findings.unmountable.count
    }
    print("powercut.points: \(tried) of \(points) (\(cut))")
    print("powercut.lost: \(sums.lost)")
    print("powercut.bogus: \(sums.bogus)")
    print("powercut.unmountable: \(sums.unmountable)")
  }

  private func countPoints() throws -> Int {
    let story = try PowerCutStory(seed: 1)
    try story.tell()
    return story.bench.board.cutPoints
  }
}
