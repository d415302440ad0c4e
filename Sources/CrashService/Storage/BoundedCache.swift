// What was read or decrypted once and is asked for again and again.

import Synchronization

/// Values by name, at most so many of them: those that were asked for lately.
final class BoundedCache<Name: Hashable & Sendable, Value: Sendable>: Sendable {
  /// When as many as half of what may be are young, the old ones go and the young become old.
  private struct Generations {
    var young: [Name: Value] = [:]
    var old: [Name: Value] = [:]

    mutating func keep(_ value: Value, as name: Name, most: Int) {
      if young.count >= most, young[name] == nil {
        old = young
        young = [:]
      }
      young[name] = value
      old[name] = nil
    }
  }

  private let mostYoung: Int
  private let values = Mutex(Generations())

  init(most: Int) { mostYoung = max(1, most / 2) }

  subscript(name: Name) -> Value? {
    values.withLock { values in
      if let value = values.young[name] { return value }
      guard let value = values.old[name] else { return nil }
      values.keep(value, as: name, most: mostYoung)
      return value
    }
  }

  func keep(_ value: Value, as name: Name) {
    values.withLock { $0.keep(value, as: name, most: mostYoung) }
  }

  func remove(_ name: Name) {
    values.withLock {
      $0.young[name] = nil
      $0.old[name] = nil
    }
  }

  func removeAll() { values.withLock { $0 = Generations() } }
}
