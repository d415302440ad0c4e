// Addresses of Unix sockets, for the system calls that want them.

import Foundation

extension sockaddr_un {
  /// The address of a path, unless it is empty or too long for one.
  init?(path: String) {
    self.init()
    let bytes = Array(path.utf8)
    sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &sun_path) { room in
      guard !bytes.isEmpty, bytes.count < room.count else { return false }
      room.copyBytes(from: bytes)
      return true
    }
    guard fits else { return nil }
  }

  /// Makes a system call that wants an address and its length, bytes: that of the structure unless told.
  func call<Result>(
    length: Int = MemoryLayout<sockaddr_un>.size,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    withUnsafePointer(to: self) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
    }
  }
}
