// Events for those who follow them over the bridge's socket.

import Synchronization

/// Passes events on to a few followers. One that does not keep up is let go: its stream ends.
public final class EventFeed: Sendable {
  /// Followers at once.
  static let mostFollowers = 4
  /// Events that may wait for one.
  static let patience = 256

  private struct State {
    var followers: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
    var last = 0
  }

  private let state = Mutex(State())

  public init() {}

  /// Takes an event. Callable from any task.
  public func take(_ event: BridgeEvent) {
    let followers = state.withLock { $0.followers }
    guard !followers.isEmpty, let line = try? event.line() else { return }
    for (number, follower) in followers {
      guard case .dropped = follower.yield(Array(line)) else { continue }
      follower.finish()
      state.withLock { $0.followers[number] = nil }
    }
  }

  /// The lines of events from now on, or `nil` when there are followers enough.
  func follow() -> AsyncStream<[UInt8]>? {
    let (stream, follower) = AsyncStream.makeStream(
      of: [UInt8].self, bufferingPolicy: .bufferingOldest(Self.patience))
    let number: Int? = state.withLock { state in
      guard state.followers.count < Self.mostFollowers else { return nil }
      state.last += 1
      state.followers[state.last] = follower
      return state.last
    }
    guard let number else { return nil }
    follower.onTermination = { [weak self] _ in
      self?.state.withLock { $0.followers[number] = nil }
    }
    return stream
  }
}
