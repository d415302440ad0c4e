// Looks for an application's secret wherever a board keeps or sends anything, over many seeded lives.

import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

/// A board whose application holds the marker, and everything that was ever seen of it from outside.
private final class LeakStory {
  let bench: Bench
  let marker: Marker
  private(set) var found = 0
  private(set) var searches = 0

  init(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    marker = Marker(generator.bytes(4096))
    bench = try Bench(.small(seed: seed, ringSectors: 12), slotSize: 12288)
  }

  /// Puts the marker into a registered region and onto the stack of a crash to come.
  func arm() throws {
    try bench.board.setMemory(at: 0x2000_8000, to: marker.bytes)
    try bench.board.setMemory(at: 0x2000_4000, to: marker.bytes)
    bench.board.run { _ = CrashCapture.register(address: 0x2000_4000, length: 4096, id: 1) }
  }

  /// Searches flash, what a reset keeps, and what the line carried since the last search.
  func search(_ line: [UInt8] = []) throws {
    searches += 1
    found += marker.count(in: try bench.board.norImage())
    found += marker.count(in: bench.board.retained)
    found += marker.count(in: line + bench.board.receive())
  }

  /// Does what a host does that wants everything, and searches its answers.
  func ask() throws {
    var line: [UInt8] = []
    for type in [FrameType.who, .next, .tally] {
      let answers = bench.ask(type, turns: 3) { frame in
        switch type {
        case .next: Next(after: DumpKey(bootCount: 0, sequence: 0)).append(to: &frame)
        case .tally: frame.append(0 as UInt16)
        default: break
        }
      }
      line += answers.flatMap(\.payload)
    }
    for boot in 1...3 as ClosedRange<UInt32> {
      let fetch = Fetch(
        key: DumpKey(bootCount: boot, sequence: 1), transfer: 1, offset: 0, length: 8192)
      line += bench.ask(.fetch, turns: 20) { fetch.append(to: &$0) }.flatMap(\.payload)
    }
    try search(line + bench.boardText)
  }

  func crash(_ flags: UInt32) throws {
    bench.crash(makeFaultContext(sp: 0x2000_8000) { $0.flags |= flags })
    try search()
    bench.boot()
    try ask()
  }
}

@Suite struct ConsentLeakTests {
  private static let moments: [UInt32] = [
    0, UInt32(MARTLET_CONTEXT_NESTED), UInt32(MARTLET_CONTEXT_WARNING),
  ]

  /// One life without consent: how often the marker was found where none may be, and how often the gate
  /// was open all the same.
  private static func live(_ seed: UInt64, _ reason: NoConsent) throws -> Int {
    let story = try LeakStory(seed: seed)
    let bench = story.bench
    try reason.bringAbout(on: bench) {
      try story.arm()
      try story.crash(0)
    }
    #expect(bench.hello()?.leaseState != .allowed, "\(reason), seed \(seed)")
    for flags in moments {
      try story.arm()
      try story.crash(flags)
    }
    // A crash that never reached the agent.
    bench.board.warmReset(cause: .software)
    bench.crash(makeFaultContext(sp: 0x2000_8000))
    try story.search()
    bench.boot()
    try story.ask()
    #expect(story.searches >= 8)
    return story.found
  }

  @Test func `no byte of a marker is found without consent, in five hundred lives`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    let reasons = NoConsent.allCases
    let lives = (0..<(isCampaign ? 5000 : 500)).map {
      (generator.next(), reasons[$0 % reasons.count])
    }
    let chunks = stride(from: 0, to: lives.count, by: 25).map { Array(lives[$0...].prefix(25)) }
    let found = try await Campaign.run(chunks) { chunk in
      try chunk.reduce(0) { try $0 + Self.live($1.0, $1.1) }
    }.reduce(0, +)
    Figure.report("consent.leaks", found, "places")
    #expect(found == 0, "seed \(generator.seed)")
  }

  @Test func `with consent the marker is nowhere but in what the service opens`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<(isCampaign ? 500 : 30) {
      let story = try LeakStory(seed: generator.next())
      let bench = story.bench
      bench.boot()
      bench.give()
      for flags in Self.moments {
        try story.arm()
        try story.crash(flags)
      }
      let dumps = bench.fetchAll()
      #expect(dumps.count == Self.moments.count)
      let sealed = dumps.values.reduce(0) { $0 + story.marker.count(in: $1) }
      #expect(sealed == 0 && story.found == 0)
      let opened = bench.opened(dumps).values.filter { story.marker.count(in: $0) > 4000 }
      // Of a fault inside the fault path the registers are kept alone.
      #expect(opened.count == 2)
    }
  }

  @Test func `the search finds the marker where it is`() throws {
    let story = try LeakStory(seed: 5)
    #expect(story.marker.count(in: [1, 2] + story.marker.bytes[100..<106] + [3]) == 1)
    #expect(story.marker.count(in: Array(story.marker.bytes[100..<105])) == 0)
    story.bench.boot()
    try story.bench.board.setNor(at: 0x9000, to: Array(story.marker.bytes.prefix(64)))
    try story.search()
    #expect(story.found > 50)
  }
}
