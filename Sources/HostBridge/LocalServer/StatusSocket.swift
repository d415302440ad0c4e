// The Unix socket that a bridge answers on: where it is, and that one bridge alone has it.

import Foundation

/// The bridge's socket and the lock that says whose it is.
///
/// The lock is a file beside the socket, held for as long as the process lives, with its number inside.
/// A socket whose lock nobody holds was left by a bridge that was killed, and is replaced.
final class StatusSocket: Sendable {
  /// The listening socket. NIO takes it over.
  let descriptor: CInt
  let path: String
  private let lock: CInt

  private init(descriptor: CInt, path: String, lock: CInt) {
    self.descriptor = descriptor
    self.path = path
    self.lock = lock
  }

  /// Opens the socket for this user alone (mode 0600).
  ///
  /// - Parameter path: at most 107 bytes. Its folder is made when missing, for this user alone.
  /// - Throws: ``HostBridgeError`` with code `socketInUse` when a bridge has it, else
  ///   `socketUnavailable`.
  static func open(path: String) throws(HostBridgeError) -> StatusSocket {
    guard let address = sockaddr_un(path: path) else {
      throw .socketUnavailable(
        path, "the path of a Unix socket is 1 to 107 bytes long",
        "Name a shorter one with --status-socket, such as /tmp/martlet-$USER/bridge.sock.")
    }
    try makeFolder(of: path)
    let lock = try takeLock(path)
    do throws(HostBridgeError) {
      try removeStale(path, address)
      return StatusSocket(descriptor: try listen(path, address), path: path, lock: lock)
    } catch {
      close(lock)
      throw error
    }
  }

  /// Takes the socket out of its folder and gives the lock back. The listener itself is NIO's.
  func remove() {
    unlink(path)
    // Emptied, not deleted: another bridge may have opened the file and wait to lock it.
    ftruncate(lock, 0)
    close(lock)
  }

  /// Lets go as a killed process does: the socket stays.
  func abandon() { close(lock) }

  // MARK: - Steps

  private static func makeFolder(of path: String) throws(HostBridgeError) {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw .socketUnavailable(path, "its folder cannot be made: \(error.localizedDescription)")
    }
    var status = stat()
    guard stat(folder, &status) == 0 else { throw .socketUnavailable(path, errno) }
    // In a folder that everybody may write, somebody else could put a socket in place of this one,
    // unless names in it can be removed by their owners alone (sticky, as /tmp is).
    if status.st_mode & mode_t(S_IWOTH) != 0, status.st_mode & mode_t(S_ISVTX) == 0 {
      throw .socketUnavailable(
        path, "everybody may write in its folder", "Name a folder of your own, with mode 0700.")
    }
  }

  private static func takeLock(_ path: String) throws(HostBridgeError) -> CInt {
    let name = path + ".lock"
    let lock = Foundation.open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw .socketUnavailable(name, errno) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      let owner = String(decoding: read(lock, atMost: 16), as: UTF8.self).prefix { $0.isNumber }
      close(lock)
      guard number == EWOULDBLOCK else { throw .socketUnavailable(name, number) }
      throw HostBridgeError(
        code: .socketInUse,
        message: "a bridge runs already" + (owner.isEmpty ? "" : " with pid \(owner)")
          + " and answers on \(path)",
        remedy: "Let it serve this board too, with one more --board; or give this one a socket of "
          + "its own with --status-socket (none: without).")
    }
    ftruncate(lock, 0)
    let number = Array("\(getpid())\n".utf8)
    _ = pwrite(lock, number, number.count, 0)
    return lock
  }

  private static func read(_ descriptor: CInt, atMost limit: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, limit, 0))
    }
  }

  /// Nobody holds the lock, so a socket here is a dead one, or not a bridge's.
  private static func removeStale(
    _ path: String, _ address: sockaddr_un
  ) throws(HostBridgeError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw .socketUnavailable(
        path, "something that is not a socket is there", "Name another path with --status-socket.")
    }
    let probe = socket(AF_UNIX, Self.stream, 0)
    guard probe >= 0 else { throw .socketUnavailable(path, errno) }
    defer { close(probe) }
    let answers = address.call { connect(probe, $0, $1) } == 0
    if answers {
      throw HostBridgeError(
        code: .socketInUse, message: "another program listens on \(path)",
        remedy: "Name another path with --status-socket.")
    }
    unlink(path)
  }

  private static func listen(
    _ path: String, _ address: sockaddr_un
  ) throws(HostBridgeError) -> CInt {
    let descriptor = socket(AF_UNIX, Self.stream, 0)
    guard descriptor >= 0 else { throw .socketUnavailable(path, errno) }
    // Before bind, so that it is never open to others: Linux gives the file the socket's own mode.
    fchmod(descriptor, 0o600)
    guard address.call({ bind(descriptor, $0, $1) }) == 0, chmod(path, 0o600) == 0 else {
      let number = errno
      close(descriptor)
      throw .socketUnavailable(path, number)
    }
    return descriptor
  }

  #if canImport(Glibc)
    private static let stream = CInt(SOCK_STREAM.rawValue)
  #else
    private static let stream = SOCK_STREAM
  #endif
}

extension HostBridgeError {
  fileprivate static func socketUnavailable(
    _ path: String, _ words: String,
    _ remedy: String = "Name another path with --status-socket, or none to go without."
  ) -> Self {
    HostBridgeError(
      code: .socketUnavailable, message: "cannot answer on \(path): \(words)", remedy: remedy)
  }

  fileprivate static func socketUnavailable(_ path: String, _ number: CInt) -> Self {
    .socketUnavailable(path, String(cString: strerror(number)))
  }
}
