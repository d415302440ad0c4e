// What the bridge reports in its events file, as far as the demo looks at it.

import Foundation

/// One line of `martlet-bridge run --events`.
struct BoardEvent: Decodable, Sendable {
  var event: String
  /// 128 hex digits.
  var device: String?
  var bootCount: UInt32?
  var resetCause: String?
  var leaseState: String?
  var dumpsWaiting: Int?
  var uncapturedCrashes: UInt32?
  var phase: String?
  /// The service's name for an uploaded dump.
  var dumpId: String?
  var reason: String?
  var text: String?

  /// Whether it tells that the application runs.
  var showsApplication: Bool {
    event == "board.starting" || (event == "board.hello" && phase == "application")
  }
}

/// The events file while the bridge writes it.
actor EventLog {
  private let file: URL
  private var offset: UInt64 = 0
  private var rest = Data()
  private var events: [BoardEvent] = []

  init(file: URL) { self.file = file }

  /// How many events there are by now: what comes later is news.
  func mark() throws -> Int {
    try read()
    return events.count
  }

  /// The first event from `mark` on that satisfies `condition`, and the mark behind it.
  func first(
    from mark: Int, where condition: @Sendable (BoardEvent) throws -> Bool
  ) throws -> (event: BoardEvent, mark: Int)? {
    try read()
    guard mark < events.count else { return nil }
    for index in mark..<events.count where try condition(events[index]) {
      return (events[index], index + 1)
    }
    return nil
  }

  private func read() throws {
    // The bridge makes the file when it starts.
    guard let handle = try? FileHandle(forReadingFrom: file) else { return }
    defer { try? handle.close() }
    try handle.seek(toOffset: offset)
    guard let new = try handle.readToEnd(), !new.isEmpty else { return }
    offset += UInt64(new.count)
    rest += new
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = rest[rest.startIndex..<end]
      rest = Data(rest[(end + 1)...])
      do {
        events.append(try JSONDecoder().decode(BoardEvent.self, from: Data(line)))
      } catch {
        throw DemoFailure(
          .unexpected,
          "the bridge wrote an event that cannot be read: "
            + String(decoding: line, as: UTF8.self))
      }
    }
  }
}
