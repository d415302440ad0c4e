// One seeded session on a bad line: what befalls it, and what has to be true at its end.

import BoardHAL
import DumpFormat
import LinkProtocol
import MartletTestKit

@testable import HostBridge

/// A board with some dumps, a bridge, and a line that drops, flips, doubles, swaps and delays, while
/// cables are pulled, bridges killed and boards reset at any byte. Everything follows from the seed.
struct LinkStory {
  /// What befalls the session at some byte.
  enum Blow: CaseIterable { case unplug, killBridge, reset, powerCut }

  /// How it ended.
  struct Outcome {
    /// Dumps that are neither on the board nor, byte for byte, at the host; all of them when the session
    /// did not end.
    var lost = 0
    /// Dumps that the host keeps more than once.
    var twice = 0
    var words = ""

    var isGood: Bool { lost == 0 && twice == 0 }
  }

  let seed: UInt64

  /// Virtual time after which a session has not ended.
  private static let patience: Duration = .seconds(900)

  func run() throws -> Outcome {
    var generator = SeededGenerator(seed: seed)
    let bench = try VirtualBench(
      line(&generator), slotSize: 4096, slots: 4,
      conversation: ConversationSettings(
        pollInterval: .milliseconds(500), leaseRetry: .milliseconds(100)))
    let count = Int.random(in: 1...3, using: &generator)
    let dumps = (1...count).map {
      sampleDump(key(1, UInt32($0)), size: .random(in: 1...3_300, using: &generator))
    }
    try bench.hold(dumps)
    bench.bridge.serviceTime = .milliseconds(.random(in: 1...30, using: &generator))
    bench.bridge.storingTime = .milliseconds(.random(in: 0...60, using: &generator))
    bench.boot()
    bench.bridge.connect()
    strike(bench, .random(in: 0...4, using: &generator), generator.split())
    bench.waitForHost()
    let isOver = bench.serve(for: Self.patience)
    return outcome(bench, dumps, isOver: isOver)
  }

  private func line(_ generator: inout SeededGenerator) -> PacedLink.Settings {
    var settings = PacedLink.Settings()
    settings.seed = generator.next()
    settings.baud = [115_200, 1_000_000, 3_000_000].randomElement(using: &generator) ?? 1_000_000
    settings.fifo = [16, 64, 512].randomElement(using: &generator) ?? 16
    settings.latency = .microseconds(.random(in: 50...4_000, using: &generator))
    let rate: Double = [0, 0.003, 0.01, 0.03].randomElement(using: &generator) ?? 0
    settings.faults = rate > 0 ? .everything(rate: rate) : nil
    return settings
  }

  /// Lets `count` more blows fall, each some bytes behind the one before.
  private func strike(_ bench: VirtualBench, _ count: Int, _ chance: SeededGenerator) {
    guard count > 0 else { return }
    var chance = chance
    let bytes = Int.random(in: 1...4_000, using: &chance)
    bench.link.after(bytes: bytes) { [unowned bench] in
      let blow = Blow.allCases.randomElement(using: &chance) ?? .unplug
      let bridge = bench.bridge
      switch blow {
      case .unplug:
        bridge.disconnect()
        let gap = Duration.milliseconds(.random(in: 0...400, using: &chance))
        bench.link.at(bench.link.now + gap) { bridge.connect() }
      case .killBridge:
        bridge.restart { _ in chance.chance(0.5) }
      case .reset:
        bench.board.run { halReset(.software) }
      case .powerCut:
        bench.board.powerOff()
      }
      strike(bench, count - 1, chance)
    }
  }

  private func outcome(_ bench: VirtualBench, _ dumps: [[UInt8]], isOver: Bool) -> Outcome {
    let held = bench.bridge.spool.values.map { $0 }
    var outcome = Outcome()
    outcome.lost = isOver ? dumps.count { !held.contains($0) } : dumps.count
    outcome.twice = held.count - Set(held).count
    // What the host holds is what the board held, and nothing else.
    outcome.lost += held.count { !dumps.contains($0) }
    if !outcome.isGood {
      outcome.words = """
        seed \(seed): \(outcome.lost) lost, \(outcome.twice) twice, over \(isOver) after \
        \(bench.link.now); the conversation is \(bench.bridge.conversation.stage), the board \
        \(bench.board.state == .running ? "runs" : "does not run"); it says \
        \(bench.bridge.warnings.suffix(3))
        """
    }
    return outcome
  }
}
