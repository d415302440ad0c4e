// Keeps consent as it is while something is done under it, in all processes of a service.

import SQLStorage
import ServiceAPI
import Synchronization

/// What is done under a consent runs inside of the gate, beside others of its kind; what changes consent
/// waits until nothing runs there, in this process and in every other on the same database. So what was read
/// inside holds there, and may be remembered from one time to the next.
///
/// A process that lost its place among the others does nothing under a consent until it has it again.
final class ConsentGate: Sendable {
  /// How often a process that nobody disturbs proves that it has its place: with the server's timeouts
  /// this bounds how long one that was cut off can go on without knowing.
  private static let beatInterval = Duration.seconds(1)

  private let local = PlacementGate()
  private let cache = BoundedCache<DeviceID, DeviceStanding>(most: 50_000)
  private let fence: PostgresFence?
  private let place: Mutex<Place>

  private struct Place {
    var isHeld: Bool
    /// Rises whenever the place was lost.
    var losses: UInt64 = 0
    var watch: Task<Void, Never>?
  }

  /// - Parameter fence: between the processes; `nil` when there is no other.
  init(fence: PostgresFence?) {
    self.fence = fence
    place = Mutex(Place(isHeld: fence == nil))
  }

  /// How many wait to be let in.
  var waitingCount: Int { local.waitingCount }

  /// Takes this process's place among the others.
  func open() async throws {
    guard let fence else { return }
    try await fence.enter()
    place.withLock { place in
      place.isHeld = true
      place.watch = Task { [weak self] in
        while !Task.isCancelled, let gate = self { await gate.watch(fence) }
      }
    }
  }

  func close() async {
    let watch = place.withLock { place in
      place.isHeld = fence == nil
      return place.watch
    }
    watch?.cancel()
    await watch?.value
    guard let fence else { return }
    await local.exclusive { await fence.leave() }
  }

  // MARK: - Inside

  /// What is remembered of a device, if that still holds.
  func remembered(_ device: DeviceID) -> DeviceStanding? {
    place.withLock { $0.isHeld } ? cache[device] : nil
  }

  /// Runs `body` with how things stand, which stays so until it returns.
  /// - Parameter read: asks the database.
  /// - Throws: ``SQLFailure`` with `busy` or `unavailable` when this process has no place among the
  ///   others, or lost it meanwhile: what `body` did may have come too late.
  func holding<Value: Sendable>(
    _ device: DeviceID, read: () async throws -> DeviceStanding,
    _ body: @Sendable (DeviceStanding) async throws -> Value
  ) async throws -> Value {
    try await local.shared {
      let losses = try place.withLock { place in
        guard place.isHeld else { throw SQLFailure.noPlace }
        return place.losses
      }
      let standing: DeviceStanding
      if let known = cache[device] {
        standing = known
      } else {
        standing = try await read()
        cache.keep(standing)
      }
      let value = try await body(standing)
      guard place.withLock({ $0.losses == losses }) else { throw SQLFailure.noPlace }
      return value
    }
  }

  // MARK: - Changing

  /// Runs `body` while nothing runs inside.
  /// - Parameter body: commits the change; runs what it is given in front of all else in its
  ///   transaction.
  func changing<Value: Sendable>(
    _ change: ConsentChange,
    _ body: (@escaping @Sendable (any SQLConnection) throws -> Void) async throws -> Value
  ) async throws -> Value {
    try await local.exclusive {
      cache.forget(change)
      guard let fence else { return try await body { _ in } }
      guard place.withLock({ $0.isHeld }) else { throw SQLFailure.noPlace }
      do {
        try await fence.beginChange(change.message)
      } catch {
        lose()
        throw error
      }
      let result: Result<Value, any Error>
      do {
        result = .success(try await body { try fence.holdAlone($0) })
      } catch {
        result = .failure(error)
      }
      do {
        try await fence.endChange()
      } catch {
        lose()
      }
      return try result.get()
    }
  }

  /// Runs `body` while nothing runs inside, and nothing else.
  func exclusive<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    try await local.exclusive(body)
  }

  // MARK: - Between processes

  private func lose() {
    place.withLock { place in
      place.isHeld = false
      place.losses += 1
    }
    cache.forget(.all)
  }

  /// Lets others change what they announce, and comes back when the place was lost.
  private func watch(_ fence: PostgresFence) async {
    do {
      guard place.withLock({ $0.isHeld }) else {
        return try await local.exclusive {
          cache.forget(.all)
          try await fence.enter()
          place.withLock { $0.isHeld = true }
        }
      }
      let end = ContinuousClock.now + Self.beatInterval
      repeat {
        let messages = try await fence.announcements(within: .milliseconds(20))
        guard !messages.isEmpty else { continue }
        try await local.exclusive {
          for message in messages { cache.forget(ConsentChange(message: message)) }
          try await fence.letChange()
        }
      } while ContinuousClock.now < end && !Task.isCancelled && place.withLock { $0.isHeld }
      try await fence.beat()
    } catch {
      lose()
      try? await Task.sleep(for: .milliseconds(100))
    }
  }
}

extension SQLFailure {
  fileprivate static let noPlace = SQLFailure(
    code: .unavailable,
    message: "this process cannot know now what others change; it tries to find out")
}
