// The transport of a local session: a stub behind a Unix socket that only this user can reach.

import Foundation

/// Serves one connection of gdb on a Unix socket in a private folder, on a thread of its own.
///
/// ``stop()`` must be called once: it ends the thread and removes the folder.
final class StubServer: Sendable {
  /// A new folder that only this user can enter; the socket lies in it.
  let folder: URL
  /// What `target remote` of gdb takes.
  let socketPath: String
  /// Closing it wakes the thread up.
  private let wakeDescriptor: Int32

  /// Starts to listen.
  /// - Throws: `noTransport`.
  init(_ stub: GDBRemoteStub) throws(GDBSessionError) {
    folder = try Self.makeFolder()
    socketPath = folder.appendingPathComponent("gdb").path
    var wake: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Self.streamType, 0, &wake) == 0 else {
      try? FileManager.default.removeItem(at: folder)
      throw .noTransport(Self.reason())
    }
    do throws(GDBSessionError) {
      let listener = try Self.listen(at: socketPath)
      wakeDescriptor = wake[1]
      let wakeReader = wake[0]
      Thread.detachNewThread {
        Self.serve(stub, listener: listener, wake: wakeReader)
        close(listener)
        close(wakeReader)
      }
    } catch {
      close(wake[0])
      close(wake[1])
      try? FileManager.default.removeItem(at: folder)
      throw error
    }
  }

  /// Ends the session, connected or not.
  func stop() {
    close(wakeDescriptor)
    try? FileManager.default.removeItem(at: folder)
  }

  // MARK: - Sockets

  /// A stream that a child process does not inherit.
  private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

  private static func reason() -> String { String(cString: strerror(errno)) }

  private static func makeFolder() throws(GDBSessionError) -> URL {
    // A socket's path has 108 bytes at most, so a long folder for temporary files will not do.
    let base = FileManager.default.temporaryDirectory.path
    var template = Array((base.utf8.count < 60 ? base : "/tmp").utf8.map(CChar.init(bitPattern:)))
    template += "/martlet-gdb-XXXXXX".utf8.map(CChar.init(bitPattern:)) + [0]
    let made = template.withUnsafeMutableBufferPointer { buffer -> String? in
      guard let base = buffer.baseAddress, let path = mkdtemp(base) else { return nil }
      return String(cString: path)
    }
    guard let made else { throw .noTransport(reason()) }
    return URL(fileURLWithPath: made, isDirectory: true)
  }

  private static func listen(at path: String) throws(GDBSessionError) -> Int32 {
    let descriptor = socket(AF_UNIX, streamType, 0)
    guard descriptor >= 0 else { throw .noTransport(reason()) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
      guard path.utf8.count < target.count else { return false }
      target.copyBytes(from: path.utf8)
      return true
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let bound =
      fits
      && withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
      } == 0
    guard bound, Glibc.listen(descriptor, 1) == 0 else {
      let error = GDBSessionError.noTransport(fits ? reason() : "\(path) is too long")
      close(descriptor)
      throw error
    }
    return descriptor
  }

  /// Waits until `descriptor` has something to read; false when the session is to end.
  private static func waits(for descriptor: Int32, wake: Int32) -> Bool {
    var polls = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      let count = poll(&polls, 2, -1)
      if count < 0 && errno == EINTR { continue }
      return count > 0 && polls[1].revents == 0
    }
  }

  private static func serve(_ stub: GDBRemoteStub, listener: Int32, wake: Int32) {
    guard waits(for: listener, wake: wake) else { return }
    let connection = accept(listener, nil, nil)
    guard connection >= 0 else { return }
    defer { close(connection) }
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    var stub = stub
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !stub.isFinished, waits(for: connection, wake: wake) {
      let count = recv(connection, &buffer, buffer.count, 0)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      guard send(stub.receive(buffer[..<count]), on: connection) else { return }
    }
  }

  private static func send(_ bytes: [UInt8], on connection: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
