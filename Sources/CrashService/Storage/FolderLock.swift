// Keeps a second service off a data folder.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A lock on a folder. The system gives it back when the process ends, however it ends.
final class FolderLock: Sendable {
  private let descriptor: Int32

  /// - Throws: ``ServiceStartFailure`` when another process holds it or it cannot be made.
  init(_ folder: URL) throws {
    let path = folder.appendingPathComponent("martlet.lock").path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ServiceStartFailure(
        code: .folderNotWritable,
        message:
          "Cannot write to the data folder \(folder.path): \(String(cString: strerror(errno)))",
        remedy: "Choose another folder with --data, or change who may write to this one")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      // The descriptor is closed by `deinit`, which runs for what is whole and then thrown away. Twice would close
      // what another thread has opened meanwhile.
      throw ServiceStartFailure(
        code: .folderInUse, message: "Another martlet-service uses the data folder \(folder.path)",
        remedy: "Stop that one, or choose another folder with --data")
    }
  }

  /// Lets others have the folder.
  func release() { flock(descriptor, LOCK_UN) }

  deinit { close(descriptor) }
}
