// What happened, in order.

import Synchronization

final class OrderLog: Sendable {
  private let log = Mutex<[String]>([])

  var entries: [String] { log.withLock { $0 } }

  func add(_ entry: String) { log.withLock { $0.append(entry) } }
}

/// A value that a test hands from one closure to another.
final class Box<Value: Sendable>: Sendable {
  private let held: Mutex<Value>

  init(_ value: Value) { held = Mutex(value) }

  var value: Value {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}
