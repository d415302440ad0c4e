// Room on the disk that is put by, so that a full disk does not stop what would empty the spool.

import Foundation

/// A file of allocated, unused bytes beside the database.
///
/// To hand a dump over, SQLite has to write: the overwritten pages go through its write-ahead log. On a
/// full disk that would fail, the dump would stay and be offered again for ever. So nothing new is taken
/// unless this file is there whole, and it is given up only for work that frees something.
struct SpoolReserve: Sendable {
  let path: String
  /// Bytes: more than a write-ahead log at its longest and the database's growth by it.
  let size: Int

  /// Whether the room is there.
  var isWhole: Bool {
    var info = stat()
    return stat(path, &info) == 0 && Int(info.st_size) >= size
  }

  /// Puts the room by, if it is not.
  ///
  /// - Returns: 0, or why not, an `errno`. A file system that cannot put room by is no obstacle.
  func make() -> Int32 {
    if isWhole { return 0 }
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { return errno }
    defer { close(file) }
    let code = posix_fallocate(file, 0, off_t(size))
    switch code {
    case 0: return 0
    case EOPNOTSUPP, EINVAL, ENOSYS: return ftruncate(file, off_t(size)) == 0 ? 0 : errno
    default:
      _ = ftruncate(file, 0)
      return code
    }
  }

  /// Gives the room to whoever writes next.
  ///
  /// - Returns: whether there was any.
  func release() -> Bool {
    guard isWhole else { return false }
    return unlink(path) == 0
  }
}
