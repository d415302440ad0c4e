// The raw limit of SQLite: what a loop that does nothing else commits.

import Foundation
import GRDB
import Synchronization

/// Commits 20 KiB blobs with `synchronous=FULL`: some producers wait each for its own, one writer takes all
/// that wait, up to a batch.
struct RawSQLite {
  var producers = 16
  var batch = 32
  var size = 20 * 1024
  var seconds = 4.0
  var pageSize = 4096

  private struct Queue {
    var waiting: [DispatchSemaphore] = []
    var isOver = false
  }

  /// Blobs a second.
  /// - Parameter folder: gets a file of its own, which is gone afterwards.
  func rate(in folder: URL) throws -> Double {
    let folder = folder.appending(path: "raw")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var configuration = Configuration()
    let pageSize = pageSize
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA page_size = \(pageSize)") }
    let queue = try DatabaseQueue(
      path: folder.appending(path: "raw.sqlite").path, configuration: configuration)
    try queue.writeWithoutTransaction { db in
      try db.execute(
        sql: """
          PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
          CREATE TABLE blobs (id INTEGER PRIMARY KEY, content BLOB NOT NULL)
          """)
    }
    let waiting = Mutex(Queue())
    let bell = DispatchSemaphore(value: 0)
    let done = DispatchGroup()
    let end = nanoseconds() + UInt64(seconds * 1e9)
    for _ in 0..<producers {
      DispatchQueue(label: "producer").async(group: done) {
        let answer = DispatchSemaphore(value: 0)
        while nanoseconds() < end {
          waiting.withLock { $0.waiting.append(answer) }
          bell.signal()
          answer.wait()
        }
      }
    }
    var blob = [UInt8](repeating: 0, count: size)
    var generator = SystemRandomNumberGenerator()
    for index in blob.indices { blob[index] = UInt8.random(in: 0...255, using: &generator) }
    let content = Data(blob)
    var stored = 0
    let start = nanoseconds()
    try queue.writeWithoutTransaction { db in
      let statement = try db.makeStatement(sql: "INSERT INTO blobs (content) VALUES (?)")
      while nanoseconds() < end {
        _ = bell.wait(timeout: .now() + 0.05)
        let taken = waiting.withLock { queue in
          let taken = Array(queue.waiting.prefix(batch))
          queue.waiting.removeFirst(taken.count)
          return taken
        }
        if taken.isEmpty { continue }
        try db.inTransaction {
          for _ in taken { try statement.execute(arguments: [content]) }
          return .commit
        }
        stored += taken.count
        for answer in taken { answer.signal() }
      }
    }
    let elapsed = Double(nanoseconds() - start) / 1e9
    // Whoever still waits may go.
    while done.wait(timeout: .now() + 0.01) == .timedOut {
      let left = waiting.withLock { queue in
        defer { queue.waiting = [] }
        return queue.waiting
      }
      for answer in left { answer.signal() }
    }
    return Double(stored) / elapsed
  }
}
