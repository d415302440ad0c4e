// Long seeded campaigns: run in full on demand and as a slice in every test run, on all cores.

import Foundation
import MartletTestKit
import Synchronization
import Testing

/// Whether `MARTLET_CAMPAIGN` asks for campaigns in full.
let isCampaign = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] != nil

enum Campaign {
  /// Runs `body` for every chunk of a campaign, in parallel, and returns what it answered, in order.
  static func run<Chunk: Sendable, Result: Sendable>(
    _ chunks: [Chunk], _ body: @escaping @Sendable (Chunk) throws -> Result
  ) async throws -> [Result] {
    try await withThrowingTaskGroup(of: (Int, Result).self) { group in
      for (index, chunk) in chunks.enumerated() {
        group.addTask { (index, try body(chunk)) }
      }
      var results: [(Int, Result)] = []
      for try await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}

/// Says in a campaign how far it is, every ten seconds at most.
final class CampaignProgress: Sendable {
  private let name: String
  private let total: Int
  private let state: Mutex<(done: Int, next: ContinuousClock.Instant)>

  init(_ name: String, total: Int) {
    self.name = name
    self.total = total
    state = Mutex((done: 0, next: .now + .seconds(10)))
  }

  /// One more is done.
  func step() {
    guard isCampaign else { return }
    let shown = state.withLock { state -> Int? in
      state.done += 1
      guard state.done % 16 == 0, ContinuousClock.now >= state.next else { return nil }
      state.next = .now + .seconds(10)
      return state.done
    }
    // Unbuffered, so that it is seen while it is true.
    if let shown {
      FileHandle.standardError.write(Data("\(name): \(shown) of \(total) done\n".utf8))
    }
  }
}
