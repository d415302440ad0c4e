// What a bridge tells of its work, as it tells it: read by a thread, waited for by tests.

import Foundation
import HostBridge
import MartletTestKit
import Synchronization

/// The events of all bridges that ran on a bench, in their order.
final class EventLog: Sendable {
  /// How long anything may take on a busy machine whose guest is emulated.
  static let patience: Duration = .seconds(60)

  private let events = Mutex<[BridgeEvent]>([])
  private let changed = NSCondition()
  /// Where to look when something did not happen.
  private let hint: String

  /// - Parameters:
  ///   - hint: put into every failure: which logs there are.
  ///   - read: blocks until there is something; empty at the end.
  init(hint: String, read: @escaping @Sendable () -> [UInt8]) {
    self.hint = hint
    Thread.detachNewThread { [self] in
      var rest: [UInt8] = []
      while true {
        let bytes = read()
        if bytes.isEmpty { return }
        rest += bytes
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
        // A bridge that was killed may have left half a line.
        let news = rest[..<end].split(separator: UInt8(ascii: "\n")).compactMap {
          try? BridgeEvent(line: $0)
        }
        rest.removeSubrange(...end)
        changed.withLock { events.withLock { $0 += news } }
        changed.broadcast()
      }
    }
  }

  /// How many there are so far: a mark to look behind later.
  var count: Int { events.withLock { $0.count } }

  /// The events behind a mark.
  func since(_ mark: Int) -> ArraySlice<BridgeEvent> { events.withLock { $0[mark...] } }

  /// The latest of its kind.
  func last(_ name: BridgeEvent.Name, where matches: (BridgeEvent) -> Bool) -> BridgeEvent? {
    events.withLock { $0.last { $0.event == name && matches($0) } }
  }

  /// Waits for an event behind a mark.
  ///
  /// - Returns: the first that matches.
  @discardableResult
  func wait(
    for name: BridgeEvent.Name, _ what: String = "", since mark: Int,
    within limit: Duration = EventLog.patience, where matches: (BridgeEvent) -> Bool = { _ in true }
  ) throws(ProcessFailure) -> BridgeEvent {
    let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
    // What was looked at does not change: each event is looked at once.
    var next = mark
    changed.lock()
    defer { changed.unlock() }
    while true {
      let news = since(next)
      if let found = news.first(where: { $0.event == name && matches($0) }) { return found }
      next = news.endIndex
      guard changed.wait(until: deadline) else {
        let words = what.isEmpty ? name.rawValue : "\(name.rawValue) (\(what))"
        throw ProcessFailure(
          .tooLate, "no event \(words) within \(limit); the last ones:\n\(story(since: mark))",
          remedy: hint)
      }
    }
  }

  /// The last events behind a mark, for people.
  private func story(since mark: Int) -> String {
    since(mark).suffix(12).map { event in
      let details = [event.board, event.dump, event.reason, event.text.map { "\($0.count) B" }]
      return "  \(event.event.rawValue) \(details.compactMap { $0 }.joined(separator: " "))"
    }.joined(separator: "\n")
  }
}
