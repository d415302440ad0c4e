// Dumps that were stored a moment ago, so that their promises count no more.

import Foundation
import Synchronization

/// Remembers the names of stored dumps for as long as their promises may be live.
///
/// A promise lies in one region's database and its dump may go into another's: nothing but this tells
/// the first of the second. When a process forgets, or another stored the dump, the promise ends by itself.
final class LatelyStored: Sendable {
  /// The dumps that were stored by some moment.
  struct Moment: Sendable {
    fileprivate let lately: LatelyStored
    fileprivate let number: UInt64

    /// Whether a dump was stored by then, and not so long before that it is forgotten.
    func contains(_ name: Promises.Name) -> Bool {
      lately.number(of: name).map { $0 <= number } ?? false
    }
  }

  private struct State {
    /// Two generations: what is in the older one was stored at most two promises ago. Each dump with the number
    /// that it got when it was stored.
    var newer: [Promises.Name: UInt64] = [:]
    var older: [Promises.Name: UInt64] = [:]
    var since: Int64 = 0
    var last: UInt64 = 0
  }

  private let state = Mutex(State())

  /// The dumps that are stored by now.
  var now: Moment { Moment(lately: self, number: state.withLock { $0.last }) }

  /// - Parameter now: milliseconds since 1970.
  func insert(_ name: Promises.Name, now: Int64) {
    state.withLock { state in
      if !(state.since..<state.since + Promises.length).contains(now) {
        state.older = state.newer
        state.newer = [:]
        state.since = now
      }
      state.last += 1
      state.newer[name] = state.last
    }
  }

  private func number(of name: Promises.Name) -> UInt64? {
    state.withLock { $0.newer[name] ?? $0.older[name] }
  }
}
