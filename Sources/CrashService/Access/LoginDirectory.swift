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
    var refresh: Task<Void, any Error>?
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
    let refresh = state.withLock { state -> Task<Void, any Error>? in
      if let checkedAt = state.checkedAt, uptime() - checkedAt < longestAge { return nil }
      // Whoever comes while one asks the store waits for that one.
      if let refresh = state.refresh { return refresh }
      let refresh = Task { try await self.load() }
      state.refresh = refresh
      return refresh
    }
    try await refresh?.value
  }

  private func load() async throws {
    defer { state.withLock { $0.refresh = nil } }
    // From before the look: what changes during it is not held against a later time.
    let asked = uptime()
    let known = state.withLock { $0.count }
    let changed = try await store.changed(since: known)
    state.withLock { state in
      if let changed {
        state.credentials = Dictionary(
          changed.credentials.map { (key($0.kind, $0.id), $0) }, uniquingKeysWith: { $1 })
        state.count = changed.count
      }
      state.checkedAt = asked
    }
  }

  private func key(_ kind: Credential.Kind, _ id: String) -> String { "\(kind.rawValue) \(id)" }
}
