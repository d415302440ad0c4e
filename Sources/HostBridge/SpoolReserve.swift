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

  /// Whether all of the room is there.
  var isWhole: Bool { held >= size }

  private var held: Int { Spool.size(of: path) }

  /// Puts the room by, if it is not. When there is less of it, as much as there is: it may be enough
  /// to hand one dump over, which makes more.
  ///
  /// - Returns: 0 when all of it is there, or why not, an `errno`. A file system that cannot put room
  ///   by is no obstacle.
  func make() -> Int32 {
    if isWhole { return 0 }
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { return errno }
    defer { close(file) }
    let code = posix_fallocate(file, 0, off_t(size))
    switch code {
    case 0: return 0
    case EOPNOTSUPP, EINVAL, ENOSYS: return ftruncate(file, off_t(size)) == 0 ? 0 : errno
    default:
      for quarter in [3, 2, 1] where size / 4 * quarter > held {
        if posix_fallocate(file, 0, off_t(size / 4 * quarter)) == 0 { break }
      }
      return code
    }
  }

  /// Gives the room to whoever writes next.
  ///
  /// - Returns: whether there was any.
  func release() -> Bool { held > 0 && unlink(path) == 0 }
}
