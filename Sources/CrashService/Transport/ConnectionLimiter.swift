// How many connections there are, in all and from one address.

import NIOCore
import Synchronization

/// Counts connections and turns away those beyond the limits.
final class ConnectionLimiter: Sendable {
  private struct State {
    var all = 0
    var addresses: [String: Int] = [:]
  }

  private let limits: TransportLimits
  private let state = Mutex(State())

  init(limits: TransportLimits) { self.limits = limits }

  /// Counts a connection until it is closed. False when there are enough.
  func admit(_ channel: any Channel) -> Bool {
    let address = channel.remoteAddress?.ipAddress ?? "none"
    let isAdmitted = state.withLock { state in
      guard state.all < limits.connections,
        state.addresses[address, default: 0] < limits.connectionsPerAddress
      else { return false }
      state.all += 1
      state.addresses[address, default: 0] += 1
      return true
    }
    if isAdmitted {
      channel.closeFuture.whenComplete { [weak self] _ in self?.forget(address) }
    }
    return isAdmitted
  }

  private func forget(_ address: String) {
    state.withLock { state in
      state.all -= 1
      let left = state.addresses[address, default: 1] - 1
      state.addresses[address] = left > 0 ? left : nil
    }
  }
}
