// The power is cut at every byte programmed and every sector erased of a board's life.

import Foundation
import MartletTestKit
import Testing

/// How the power goes.
struct Cut: Sendable, CustomStringConvertible {
  var torn: TornState
  var wholePage: Bool

  var description: String {
    let name = ["untouched", "half", "random", "unstable"][Int(torn.rawValue)]
    return name + (wholePage ? ", whole page" : "")
  }

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
    let whole = try PowerCutStory(seed: 1)
    try whole.tell()
    let points = whole.bench.board.cutPoints
    var tried = Set(1...points)
    if !isCampaign {
      // A slice in every run, with other points each time; and where bits drift, every end of a
      // capture and of a release.
      var generator = SeededGenerator.fromEnvironment()
      let start = Int.random(in: 1...61, using: &generator)
      tried = Set(stride(from: start, through: points, by: 61))
      if cut.torn == .unstable { tried.formUnion(whole.ends) }
    }
    var sums = (lost: 0, bogus: 0, unmountable: 0)
    for point in tried.sorted() {
      let story = try PowerCutStory(seed: UInt64(point))
      story.bench.board.injectPowerCut(at: point, torn: cut.torn, wholePage: cut.wholePage)
      try story.tell()
      #expect(story.bench.board.state == .off, "point \(point)")
      let findings = story.verify()
      #expect(findings.isClean, "\(cut) at \(point) of \(points): \(findings)")
      sums.lost += findings.lost.count
      sums.bogus += findings.bogus.count + findings.resurrected.count
      sums.unmountable += findings.unmountable.count
    }
    print("powercut.points: \(tried.count) of \(points) (\(cut))")
    print("powercut.lost: \(sums.lost)")
    print("powercut.bogus: \(sums.bogus)")
    print("powercut.unmountable: \(sums.unmountable)")
  }
}
