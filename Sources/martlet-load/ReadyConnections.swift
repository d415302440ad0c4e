// Tells which of many connections have something to read.

import CGlibc
import Glibc

/// The connections of a load, known to the system for as long as they are open: with poll(2) it would look at
/// each of them whenever one answers, at the cost of the service that shares the processors.
final class ReadyConnections {
  private let epoll: Int32
  private var events: [epoll_event]

  /// - Parameter most: how many connections there may be.
  /// - Throws: ``LoadFailure`` when the process has no descriptor left.
  init(most: Int) throws(LoadFailure) {
    epoll = epoll_create1(0)
    guard epoll >= 0 else { throw LoadFailure("the process has too many files open") }
    events = [epoll_event](repeating: epoll_event(), count: max(1, most))
  }

  deinit { close(epoll) }

  /// Watches a connection until it is closed.
  func add(_ connection: LoadConnection, as index: Int) throws(LoadFailure) {
    var event = epoll_event()
    event.events = EPOLLIN.rawValue
    event.data.u64 = UInt64(index)
    guard epoll_ctl(epoll, EPOLL_CTL_ADD, connection.descriptor, &event) == 0 else {
      throw LoadFailure("cannot wait for a connection (errno \(errno))")
    }
  }

  /// Waits until a connection has something to read, or is closed.
  /// - Parameter milliseconds: how long at most; 0 does not wait.
  /// - Returns: the indices of those that have.
  func wait(milliseconds: Int32) -> [Int] {
    let count = epoll_wait(epoll, &events, Int32(events.count), milliseconds)
    return events.prefix(max(0, Int(count))).map { Int($0.data.u64) }
  }
}
