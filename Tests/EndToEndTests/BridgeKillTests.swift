// kill -9 of the bridge at seeded points of its work: nothing told is lost, nothing is doubled.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests.KillTests {
  /// Where a kill comes.
  private enum Point {
    /// When so much of a dump has passed the line.
    case line
    /// Some time after the board was told.
    case upload
    /// At the n-th system call of a kind, in the middle of it: see ``SystemCallKill``.
    case systemCall(SystemCallKill)
  }

  /// Kills a process at one of its system calls.
  private struct SystemCallKill {
    /// Writes of the database and its log, their syncs and truncations; the log's end; requests,
    /// receipts and events.
    static let calls = ["pwrite64", "fdatasync,fsync", "ftruncate", "write,writev,sendto,sendmsg"]

    var calls: String
    /// Counted for each thread.
    var count: Int

    init(_ generator: inout SeededGenerator) {
      let index = Int.random(in: 0..<Self.calls.count, using: &generator)
      calls = Self.calls[index]
      // As many as a bridge makes for some dumps, starting included.
      count = Int.random(in: 1...[60, 16, 4, 50][index], using: &generator)
    }

    var wrapper: [String] { Self.wrapper(calls, count) }

    /// The traced program is the child itself, so that it is killed like any other.
    private static func wrapper(_ calls: String, _ count: Int) -> [String] {
      [
        "/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(calls)", "-e",
        "inject=\(calls):signal=SIGKILL:when=\(count)",
      ]
    }

    /// Whether this system has strace and lets it trace.
    static let isPossible: Bool = {
      let command = wrapper("write", 1) + ["/bin/echo", "killed before it"]
      let child = try? ProcessChild(
        URL(fileURLWithPath: command[0]), Array(command.dropFirst()))
      return (try? child?.waitForEnd()) == .signal(SIGKILL)
    }()
  }

  /// Kills on one board: it keeps three dumps of a fingerprint, so a fresh one is taken after these.
  private static let killsOnABoard = 50

  @Test(.timeLimit(.minutes(30)))
  func `a bridge killed at any point loses nothing the board was told is stored`() async throws {
    let isCampaign = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] != nil
    let kills = isCampaign ? 200 : 20
    var generator = SeededGenerator.fromEnvironment()
    let seed = generator.seed
    if !SystemCallKill.isPossible {
      print("strace cannot trace here: no kill comes at a system call, all come by line and time")
    }
    var lost = 0
    var twice = 0
    for begin in stride(from: 0, to: kills, by: Self.killsOnABoard) {
      let start = ContinuousClock.now
      let part = generator.split()
      let outcome = try await Stand.with { stand in
        var generator = part
        return try Self.kill(
          min(Self.killsOnABoard, kills - begin), times: stand, &generator)
      }
      lost += outcome.lost.count
      twice += outcome.stored.count - Set(outcome.stored.map(\.key)).count
      Self.report("bridge", outcome, start)
      Self.check(outcome, seed)
    }
    Figure.report("bridge.kill.lost", lost)
    Figure.report("bridge.kill.twice", twice)
    #expect(lost == 0 && twice == 0, "seed \(seed)")
  }

  private static func kill(
    _ kills: Int, times stand: Stand, _ generator: inout SeededGenerator
  ) throws -> Outcome {
    var outcome = Outcome()
    try stand.startEverything()
    let order = Self.order(&generator)
    for round in 1...kills {
      let starts = stand.proxy.current.starts
      let point = Self.point(&generator)
      if case .systemCall(let kill) = point {
        stand.killBridge()
        try stand.startBridge(at: [stand.proxy.address], under: kill.wrapper)
      }
      let key = try Self.crash(stand, order[round], &outcome)
      switch point {
      case .line: try Self.letTransferRun(stand, key, &generator)
      case .upload: try Self.letUploadRun(stand, key, &generator)
      case .systemCall:
        _ = try poll(for: "the kill, or the dump") {
          stand.isBridgeGone || stand.proxy.current.told.contains(key) ? true : nil
        }
        // Some are due behind the receipt.
        _ = try? poll(for: "the kill", within: .milliseconds(150)) {
          stand.isBridgeGone ? true : nil
        }
        if stand.isBridgeGone { outcome.atSystemCalls += 1 }
      }
      stand.killBridge()
      let told = stand.proxy.current.told
      if told.contains(key) { outcome.late += 1 } else { outcome.early += 1 }
      // What the board let go must be on this disk now, or in the service already.
      let kept = try stand.spoolRows().filter { $0.hasBytes || $0.state == 1 }.map(\.key)
      for key in told.subtracting(kept) {
        outcome.lost.insert(key)
        outcome.problems.append("round \(round): \(key) was told stored and is not in the spool")
      }
      try stand.startBridge()
      try stand.waitUntilTold(key)
      try stand.proxy.wait(for: "the application") { $0.starts > starts }
    }
    try Self.finish(stand, &outcome)
    outcome.lost.formUnion(Set(outcome.expected).subtracting(outcome.stored.map(\.key)))
    return outcome
  }

  private static func point(_ generator: inout SeededGenerator) -> Point {
    let draw = Int.random(in: 0..<10, using: &generator)
    let kill = SystemCallKill(&generator)
    switch draw {
    case 0..<4 where SystemCallKill.isPossible: return .systemCall(kill)
    case 0..<7: return .line
    default: return .upload
    }
  }
}
