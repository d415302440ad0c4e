// One session over lines of every kind, clean and bad: the dumps of a board reach the service once.

import DumpFormat
import LinkProtocol
import MartletTestKit
import SerialLink
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct EveryLineSessionTests {
  @Test(arguments: LineKind.allCases)
  func `a session over a clean line`(kind: LineKind) async throws {
    try await session(over: kind, faults: .init(), seed: 1)
  }

  @Test(arguments: LineKind.allCases)
  func `a session over a line that drops, flips, doubles, swaps and delays`(
    kind: LineKind
  ) async throws {
    let seed = SeededGenerator.fromEnvironment().seed
    try await session(over: kind, faults: .everything(rate: 0.02), seed: seed)
  }

  private func session(
    over kind: LineKind, faults: FaultyLink.Faults, seed: UInt64
  ) async throws {
    let keys = [key(7, 1), key(7, 2), key(9, 1)]
    let board = BoardBehindLine(faults: faults, seed: seed)
    board.with { board in
      board.hello.largestFrame = 256
      for key in keys { board.dumps[key] = sampleDump(key, size: 3_000) }
      board.print("ready\n")
    }
    try await FarEnd.with(kind, answer: { board.answer($0) }) { far, address in
      try await SessionTests().withBridge(over: far.transport, to: address) { bridge async throws in
        await bridge.events.wait { events in
          events.count { $0.event == .dumpUploaded } == keys.count
            && events.contains { $0.event == .boardStarting }
        }
        let uploaded = bridge.events.all(.dumpUploaded).map { $0.dump ?? "" }
        #expect(Set(uploaded) == Set(keys.map(\.text)), "seed \(seed)")
        let stored = bridge.service.now.stored
        let isWhole = keys.allSatisfy { key in
          stored.contains { $0.key.key == key && $0.value == sampleDump(key, size: 3_000) }
        }
        #expect(isWhole, "seed \(seed)")
        #expect(stored.count == keys.count, "seed \(seed)")
        #expect(bridge.service.now.uploads.count == keys.count, "seed \(seed)")
        // The last receipt may still be on its way; the suite's time limit is the patience.
        while !board.with({ $0.dumps.isEmpty }) { await Task.yield() }
      }
    }
  }
}

/// A scripted board behind a line that may be bad; it acts when bytes arrive.
private final class BoardBehindLine: Sendable {
  private struct State: ~Copyable {
    let board = FakeBoard()
    var toBoard: FaultyLink
    var toHost: FaultyLink
  }

  private let state: Mutex<State>

  init(faults: FaultyLink.Faults, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let toBoard = FaultyLink(faults: faults, generator: generator.split())
    let toHost = FaultyLink(faults: faults, generator: generator.split())
    state = Mutex(State(toBoard: toBoard, toHost: toHost))
  }

  func with<Result: Sendable>(_ body: (FakeBoard) -> Result) -> Result {
    state.withLock { body($0.board) }
  }

  /// What the host gets when it sends bytes.
  func answer(_ bytes: [UInt8]) -> [UInt8] {
    state.withLock { state in
      state.toBoard.send(bytes)
      var arrived: [UInt8] = []
      // What is held up comes with this, or with what is sent next.
      for _ in 0..<3 {
        state.toBoard.advance()
        state.board.receive(state.toBoard.receive())
        while let said = state.board.step() { state.toHost.send(said) }
        state.toHost.advance()
        arrived += state.toHost.receive()
      }
      return arrived
    }
  }
}
