// 64 boards on one bridge: each gets its turn, nothing is lost, and the bridge stays small.

import DumpFormat
import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite struct ManyBoardsTests {
    private static let boards = 64
    private static let dumpsEach = 4
    private static let dumpSize = 16 << 10
    /// Bars of `bridge.64.fairness`, `bridge.64.rss` and `bridge.64.rss.own`.
    private static let mostUnfair = 2.0
    private static let mostMemory = 64.0
    private static let mostOwnMemory = 24.0

    private struct Outcome: Sendable {
      /// Seconds from the first connection until a board's last dump was spooled, and uploaded.
      var spooled: [Double] = []
      var uploaded: [Double] = []
      var expected: [String: Set<DumpKey>] = [:]
      var stored: [String: Set<DumpKey>] = [:]
      var twice = 0
      var memory: ProcessMemory
      /// The first board's console.
      var console = ""
    }

    @Test(.timeLimit(.minutes(5)))
    func `64 boards are served alike, all dumps are stored, and memory stays bounded`() async throws
    {
      let outcome = try await Self.drainRack()
      let fairness = Self.unfairness(outcome.spooled)
      let uploads = Self.unfairness(outcome.uploaded)
      Figure.report("bridge.64.fairness", fairness)
      Figure.report("bridge.64.fairness.upload", uploads)
      Figure.report("bridge.64.rss", outcome.memory.peak, "MiB")
      Figure.report("bridge.64.rss.own", outcome.memory.peakOfItsOwn, "MiB")
      #expect(fairness <= Self.mostUnfair)
      #expect(uploads <= Self.mostUnfair)
      #expect(outcome.memory.peakOfItsOwn <= Self.mostOwnMemory)
      // 40 MiB of a debug build are its code, and that many more or fewer pages of it as the page cache
      // holds: the bar is for the program that is installed.
      if Programs.areReleased { #expect(outcome.memory.peak <= Self.mostMemory) }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a board that chatters does not keep 63 others waiting and loses no line`() async throws {
      let lines = 1_024
      let outcome = try await Self.drainRack(chatter: lines)
      #expect(Self.unfairness(outcome.spooled.dropFirst()) <= Self.mostUnfair)
      #expect(outcome.console == (0..<lines).map(BoardRack.chatterLine).joined())
    }

    private static func drainRack(chatter: Int = 0) async throws -> Outcome {
      let outcome = try await onThread {
        try TemporaryDirectory.with { folder in
          let rack = try BoardRack(boards, in: folder)
          defer { rack.close() }
          return try drain(rack, chatter: chatter, in: folder)
        }
      }
      #expect(outcome.stored == outcome.expected)
      #expect(outcome.twice == 0)
      return outcome
    }

    /// The slowest over the median.
    private static func unfairness(_ times: some Collection<Double>) -> Double {
      let sorted = times.sorted()
      guard let slowest = sorted.last, sorted.count > 1 else { return .infinity }
      return slowest / sorted[sorted.count / 2]
    }

    private static func drain(
      _ rack: BoardRack, chatter: Int, in folder: TemporaryDirectory
    ) throws -> Outcome {
      let desk = try Desk(in: folder)
      defer { desk.close() }
      let filled = try desk.fill(rack, dumps: dumpsEach, size: dumpSize)
      rack.chatter(chatter)
      let bridge = try desk.startBridge(at: rack.places.map(\.address))
      let total = Self.boards * Self.dumpsEach
      var events: [BridgeEvent] = []
      try bridge.wait(for: "\(total) uploads", within: .seconds(180)) { output, _ in
        // Counting is cheap, decoding is not.
        guard output.components(separatedBy: #""event":"dump.uploaded""#).count > total,
          chatter == 0 || output.contains("line \(chatter - 1) ")
        else { return false }
        events = BridgeEvent.all(in: output)
        return true
      }
      var outcome = Outcome(memory: try desk.memory(of: bridge))
      let first = rack.places.first?.address
      outcome.console = events.filter { $0.event == .console && $0.board == first }
        .compactMap(\.text).joined()
      let begin = events.first { $0.event == .boardConnected }?.time ?? .distantPast
      for (device, dumps) in filled {
        outcome.expected[device] = dumps
        func last(_ name: BridgeEvent.Name) -> Double {
          let times = events.filter { $0.event == name && $0.device == device }.map(\.time)
          return times.count == Self.dumpsEach
            ? times.max().map { $0.timeIntervalSince(begin) } ?? .infinity : .infinity
        }
        outcome.spooled.append(last(.dumpSpooled))
        outcome.uploaded.append(last(.dumpUploaded))
      }
      for dump in try desk.storedDumps() {
        if !outcome.stored[dump.deviceId, default: []].insert(dump.key).inserted {
          outcome.twice += 1
        }
      }
      return outcome
    }
  }
}
