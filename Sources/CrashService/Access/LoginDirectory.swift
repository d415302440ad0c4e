// Who may log in, in memory: asked with every request, and never long behind the store.

import Foundation
import ServiceAPI
import Synchronization

/// The credentials of an ``AccessStore``. What changes there is noticed when `longestAge` is over.
///
/// All of them are held, so that a token that nobody made costs no look into the database.
final class LoginDirectory: Sendable {
  private struct State {
    var credentials: [String: Credential] = [:]
    var count: Int?
    var checkedAt: Duration?
    var look: Look?
  }

  /// A look into the store that is in progress.
  private struct Look {
    var began: Duration
    var task: Task<Void, any Error>
  }

  private let store: AccessStore
  /// How far what is answered may lie behind the store.
  private let longestAge: Duration
  /// Since an arbitrary moment, and never back.
  private let uptime: @Sendable () -> Duration
  private let state = Mutex(State())

  convenience init(store: AccessStore, longestAge: Duration) {
    let start = ContinuousClock.now
    self.init(store: store, longestAge: longestAge) { start.duration(to: .now) }
  }

  init(
    store: AccessStore, longestAge: Duration, uptime: @escaping @Sendable () -> Duration
  ) {
    self.store = store
    self.longestAge = longestAge
    self.uptime = uptime
  }

  /// The credential of that kind and id, valid or not; `nil` when there is none.
  /// - Throws: what the store throws: a revocation that cannot be looked up is not passed over.
  func credential(_ kind: Credential.Kind, _ id: String) async throws -> Credential? {
    try await bringUpToDate()
    return state.withLock { $0.credentials[key(kind, id)] }
  }

  private func bringUpToDate() async throws {
    let arrival = uptime()
    while true {
      let look = state.withLock { state -> Look? in
        if let checkedAt = state.checkedAt, arrival - checkedAt < longestAge { return nil }
        // Whoever comes while one asks the store waits for that one.
        if let look = state.look { return look }
        let began = uptime()
        let look = Look(began: began, task: Task { try await self.load(since: began) })
        state.look = look
        return look
      }
      guard let look else { return }
      try await look.task.value
      // One that began before may have missed what was there when this caller came.
      if look.began >= arrival { return }
    }
  }

  /// - Parameter began: before the look: what changes during it is not held against a later time.
  private func load(since began: Duration) async throws {
    defer { state.withLock { $0.look = nil } }
    let known = state.withLock { $0.count }
    let changed = try await store.changed(since: known)
    state.withLock { state in
      if let changed {
        state.credentials = Dictionary(
          changed.credentials.map { (key($0.kind, $0.id), $0) }, uniquingKeysWith: { $1 })
        state.count = changed.count
      }
      state.checkedAt = began
    }
  }

  private func key(_ kind: Credential.Kind, _ id: String) -> String { "\(kind.rawValue) \(id)" }
}
