// Unix sockets as the tests need them: blocking, with deadlines.

import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// A descriptor that is closed with its owner.
public final class LineSocket: Sendable {
  public let descriptor: Int32

  /// Takes ownership of an open descriptor.
  public init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Listens at a path, at most 107 bytes long.
  public convenience init(listeningAt path: String) throws(ProcessFailure) {
    self.init(descriptor: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0))
    unlink(path)
    guard Self.withAddress(path, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 4) == 0
    else { throw Self.failure("listen at", path) }
  }

  /// Connects to a path.
  public convenience init(connectingTo path: String) throws(ProcessFailure) {
    self.init(descriptor: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0))
    guard Self.withAddress(path, { connect(descriptor, $0, $1) }) == 0 else {
      throw Self.failure("connect to", path)
    }
  }

  /// Takes the next connection.
  public func accept(within limit: Duration) throws(ProcessFailure) -> LineSocket {
    guard waitUntilReadable(within: limit) else {
      throw ProcessFailure(.tooLate, "nobody connected within \(limit)")
    }
    let connection = Foundation.accept(descriptor, nil, nil)
    guard connection >= 0 else { throw Self.failure("accept", "a connection") }
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    return LineSocket(descriptor: connection)
  }

  /// Whether there is something to read, or the end of it, before the time is over.
  public func waitUntilReadable(within limit: Duration) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let milliseconds = max(0, min(limit / .milliseconds(1), 600_000))
    return poll(&entry, 1, Int32(milliseconds.rounded(.up))) > 0
  }

  /// Reads what is there; empty at the end of the line.
  public func read() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 1 << 14) { buffer, count in
      count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
    }
  }

  /// Writes everything. Returns whether the other end took it.
  @discardableResult
  public func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count {
        let taken = send(
          descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent,
          Int32(MSG_NOSIGNAL))
        guard taken > 0 else { return false }
        sent += taken
      }
      return true
    }
  }

  /// Lets writing wait when more than about so many bytes were not read at the other end.
  public func limitUnsent(to bytes: Int) {
    var size = Int32(clamping: bytes)
    _ = setsockopt(
      descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Ends the line in both directions; whoever reads from it sees its end.
  public func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

  private static func failure(_ verb: String, _ what: String) -> ProcessFailure {
    ProcessFailure(.cannotStart, "cannot \(verb) \(what): \(String(cString: strerror(errno)))")
  }

  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
