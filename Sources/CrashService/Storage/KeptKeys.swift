// Keys that were decrypted once and are asked for again and again.

import Synchronization

/// Keys by name, at most so many of them. They are the process's own: whoever reads its memory has the
/// master key as well.
final class KeptKeys<Name: Hashable & Sendable, Key: Sendable>: Sendable {
  private let most: Int
  private let keys = Mutex<[Name: Key]>([:])

  init(most: Int) { self.most = most }

  subscript(name: Name) -> Key? { keys.withLock { $0[name] } }

  /// Keeps a key. When there are as many as may be, any other goes.
  func keep(_ key: Key, as name: Name) {
    keys.withLock { keys in
      if keys.count >= most, keys[name] == nil { keys.remove(at: keys.startIndex) }
      keys[name] = key
    }
  }

  func removeAll() { keys.withLock { $0.removeAll() } }
}
