// Dumps that were stored a moment ago, so that their promises count no more.

import Foundation
import Synchronization

/// Remembers the names of stored dumps for as long as their promises may be live.
///
/// A promise lies in one region's database and its dump may go into another's: nothing but this tells
/// the first of the second. When a process forgets, or another stored the dump, the promise ends by itself.
final class LatelyStored: Sendable {
  private struct State {
    /// Two generations: what is in the older one was stored at most two promises ago.
    var newer: Set<Promises.Name> = []
    var older: Set<Promises.Name> = []
    var since: Int64 = 0
  }

  private let state = Mutex(State())

  var names: Set<Promises.Name> { state.withLock { $0.newer.union($0.older) } }

  /// - Parameter now: milliseconds since 1970.
  func insert(_ name: Promises.Name, now: Int64) {
    state.withLock { state in
      if !(state.since..<state.since + Promises.length).contains(now) {
        state.older = state.newer
        state.newer = []
        state.since = now
      }
      state.newer.insert(name)
    }
  }
}
