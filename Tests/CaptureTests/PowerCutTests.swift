// The power is cut at every byte programmed and every sector erased of a board's life, and twice.

import Foundation
import MartletTestKit
import Testing

/// How the power goes.
struct Cut: Sendable, CustomStringConvertible {
  var torn: TornState
  var wholePage: Bool

  /// As figures name it.
  var description: String {
    let name = ["untouched", "half", "random", "unstable"][Int(torn.rawValue)]
    return name + (wholePage ? ".page" : ".byte")
  }

  static let all = [false, true].flatMap { page in
    EmulatedBoard.allTornStates.map { Cut(torn: $0, wholePage: page) }
  }
}

/// What a sweep came to.
struct CutSums: Sendable {
  var points = 0
  var lost = 0
  var bogus = 0
  var unmountable = 0

  mutating func add(_ findings: CutFindings) {
    points += 1
    lost += findings.lost.count
    bogus += findings.bogus.count + findings.resurrected.count
    unmountable += findings.unmountable.count
  }

  mutating func add(_ other: CutSums) {
    points += other.points
    lost += other.lost
    bogus += other.bogus
    unmountable += other.unmountable
  }

  func report(_ name: String, points unit: String) {
    Figure.report("\(name).\(unit)", points, unit)
    Figure.report("\(name).lost", lost, "dumps")
    Figure.report("\(name).bogus", bogus, "dumps")
    Figure.report("\(name).unmountable", unmountable, "boards")
  }
}

@Suite struct PowerCutTests {
  /// Where a life begins.
  enum Start: CaseIterable { case blank, aboutToMove }

  private static func story(seed: UInt64, _ start: Start) throws -> PowerCutStory {
    try PowerCutStory(seed: seed, flash: start == .blank ? nil : PreparedFlash.aboutToMove)
  }

  @Test(arguments: Start.allCases)
  func `an uncut life loses nothing and is offered whole`(start: Start) throws {
    let story = try Self.story(seed: 1, start)
    story.tell()
    let findings = story.recover()
    #expect(findings.isClean, "\(findings)")
  }

  @Test func `the state log moves to its other half within the story`() throws {
    let story = try Self.story(seed: 1, .aboutToMove)
    #expect(PreparedFlash.aboutToMove != nil)
    story.tell()
    #expect(story.bench.stateErases > 0)
  }

  /// A part of the sweep.
  private struct Chunk: Sendable {
    var cut: Cut
    var start: Start
    var points: [Int]
  }

  @Test func `a power cut at any point loses nothing and leaves nothing bogus`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    var chunks: [Chunk] = []
    for start in Start.allCases {
      let whole = try Self.story(seed: 1, start)
      whole.tell()
      let points = whole.bench.board.cutPoints
      for cut in Cut.all {
        var tried = Array(1...points)
        if !isCampaign {
          // A slice in every run, with other points each time; and where bits drift, ends of
          // captures and of releases.
          let first = Int.random(in: 1...97, using: &generator)
          tried = Array(stride(from: first, through: points, by: 97))
          if cut.torn == .unstable {
            tried += whole.ends.filter { _ in generator.chance(0.2) }
          }
        }
        for part in stride(from: 0, to: tried.count, by: 500) {
          chunks.append(
            Chunk(cut: cut, start: start, points: Array(tried[part...].prefix(500))))
        }
      }
    }
    let progress = CampaignProgress(
      "powercut", total: chunks.reduce(0) { $0 + $1.points.count })
    let sums = try await Campaign.run(chunks) { chunk in
      var sums = CutSums()
      for point in chunk.points {
        let story = try Self.story(seed: UInt64(point), chunk.start)
        story.bench.board.injectPowerCut(
          at: point, torn: chunk.cut.torn, wholePage: chunk.cut.wholePage)
        story.tell()
        if !story.isOff { Issue.record("point \(point) was not reached") }
        story.bench.board.injectPowerCut(at: 0, torn: .untouched)
        let findings = story.recover()
        if !findings.isClean {
          Issue.record("\(chunk.cut) from \(chunk.start) at \(point): \(findings)")
        }
        sums.add(findings)
        progress.step()
      }
      return sums
    }
    var total = CutSums()
    for cut in Cut.all {
      var ofCut = CutSums()
      for (chunk, sum) in zip(chunks, sums) where chunk.cut.description == cut.description {
        ofCut.add(sum)
      }
      ofCut.report("powercut.\(cut)", points: "points")
      total.add(ofCut)
    }
    total.report("powercut", points: "points")
  }

  @Test func `two power cuts in a row lose nothing and leave nothing bogus`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    let sequences = isCampaign ? 20_000 : 150
    var points: [Start: Int] = [:]
    for start in Start.allCases {
      let whole = try Self.story(seed: 1, start)
      whole.tell()
      points[start] = whole.bench.board.cutPoints
    }
    let each = isCampaign ? 250 : 25
    let chunks = (0..<sequences / each).map { _ in generator.split() }
    let progress = CampaignProgress("powercut.double", total: sequences)
    let all = points
    let sums = try await Campaign.run(chunks) { chunk in
      var generator = chunk
      var sums = CutSums()
      while sums.points < each {
        let start = generator.chance(0.5) ? Start.blank : .aboutToMove
        let cuts = (
          Cut.all.randomElement(using: &generator) ?? Cut.all[0],
          Cut.all.randomElement(using: &generator) ?? Cut.all[0]
        )
        let first = Int.random(in: 1...(all[start] ?? 1), using: &generator)
        // Early points are the boot's, which writes little and decides much.
        let second = Int(exp(Double.random(in: 0...log(4000), using: &generator)))
        let seed = generator.next()
        let story = try Self.story(seed: seed, start)
        let board = story.bench.board
        board.injectPowerCut(at: first, torn: cuts.0.torn, wholePage: cuts.0.wholePage)
        story.tell()
        board.injectPowerCut(at: second, torn: cuts.1.torn, wholePage: cuts.1.wholePage)
        var findings = story.recover()
        if story.isOff {
          board.injectPowerCut(at: 0, torn: .untouched)
          let more = story.recover()
          findings.lost += more.lost
          findings.bogus += more.bogus
          findings.resurrected += more.resurrected
          findings.unmountable += more.unmountable
          sums.add(findings)
          progress.step()
        }
        if !findings.isClean {
          Issue.record(
            "\(start) \(cuts.0) at \(first), \(cuts.1) at \(second), seed \(seed): \(findings)")
        }
      }
      return sums
    }
    var total = CutSums()
    for sum in sums { total.add(sum) }
    total.report("powercut.double", points: "sequences")
  }
}
