// The console log: every byte in order with its time, in files that do not grow without end.

import Foundation
import MartletTestKit
import Synchronization
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct ConsoleLogTests {
  private let board = "tty:/dev/ttyUSB0"
  private let noon = Date(timeIntervalSince1970: 1_700_000_000.25)

  private func text(_ words: String, after seconds: Double = 0) -> ConsoleText {
    text(Array(words.utf8), after: seconds)
  }

  private func text(_ bytes: [UInt8], after seconds: Double = 0) -> ConsoleText {
    let time = noon.addingTimeInterval(seconds)
    return ConsoleText(bytes: bytes, began: time, time: time)
  }

  @Test func `each line has the time of its first byte`() async throws {
    try await TemporaryDirectory.with { folder in
      let log = try ConsoleLog(folder: folder.path)
      log.write(
        ConsoleText(
          bytes: Array("begun early\nand another\n".utf8), began: noon,
          time: noon.addingTimeInterval(0.125)), of: board)
      log.write(text("> ", after: 1), of: board)
      log.write(text("help\r\n", after: 7), of: board)
      await log.flush()
      #expect(
        try String(contentsOfFile: log.path(of: board), encoding: .utf8) == """
          2023-11-14T22:13:20.250Z | begun early
          2023-11-14T22:13:20.375Z | and another
          2023-11-14T22:13:21.250Z ~ >\u{20}
          2023-11-14T22:13:27.250Z | help\r

          """)
    }
  }

  @Test func `a mebibyte in a burst is kept whole and in order over several files`() async throws {
    let seed = SeededGenerator.fromEnvironment().seed
    try await TemporaryDirectory.with { folder in
      var generator = SeededGenerator(seed: seed)
      var limits = ConsoleLog.Limits()
      limits.fileBytes = 600 << 10
      let log = try ConsoleLog(folder: folder.path, limits: limits)
      // Any byte at all, line ends among them.
      let burst = generator.bytes(1 << 20)
      var rest = burst[...]
      while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 1...5_000, using: &generator))
        log.write(text(Array(piece)), of: board)
        rest = rest.dropFirst(piece.count)
      }
      await log.flush()
      let kept = try folder.logFiles(of: log.path(of: board)).reversed().flatMap { file in
        #expect(file.count <= limits.fileBytes, "seed \(seed)")
        return raw(file)
      }
      #expect(kept == burst, "seed \(seed)")
      #expect(log.report.lostBytes == 0)
    }
  }

  @Test func `the oldest file goes when there are enough`() async throws {
    try await TemporaryDirectory.with { folder in
      var limits = ConsoleLog.Limits()
      limits.fileBytes = 100
      limits.files = 3
      let log = try ConsoleLog(folder: folder.path, limits: limits)
      // 37 bytes each in the log: two to a file.
      for number in 10..<30 { log.write(text("number \(number)\n"), of: board) }
      await log.flush()
      let files = try folder.logFiles(of: log.path(of: board)).reversed().map {
        String(decoding: raw($0), as: UTF8.self)
      }
      #expect(
        files == ["number 24\nnumber 25\n", "number 26\nnumber 27\n", "number 28\nnumber 29\n"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 3)
    }
  }

  @Test func `a bridge that starts again goes on in the same file`() async throws {
    try await TemporaryDirectory.with { folder in
      let first = try ConsoleLog(folder: folder.path)
      first.write(text("before\n"), of: board)
      await first.flush()
      let path = first.path(of: board)
      // The machine went down in the middle of a line.
      try (Data(contentsOf: URL(fileURLWithPath: path)) + Data("2023-11-14T22".utf8))
        .write(to: URL(fileURLWithPath: path))
      let second = try ConsoleLog(folder: folder.path)
      second.write(text("after\n"), of: board)
      await second.flush()
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      #expect(lines.map { $0.suffix(6) } == ["before", "-14T22", " after"])
    }
  }

  @Test func `a full disk is told once and counted, and the next text is kept`() async throws {
    try await TemporaryDirectory.with { folder in
      let complaints = Mutex<[String]>([])
      let log = try ConsoleLog(folder: folder.path) { words in
        complaints.withLock { $0.append(words) }
      }
      let path = log.path(of: board)
      // /dev/full takes no byte: ENOSPC, as a full disk (full(4)).
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/full")
      log.write(text("lost\n"), of: board)
      log.write(text("lost too\n"), of: board)
      await log.flush()
      #expect(log.report.problem?.contains("No space left on device") == true)
      #expect(log.report.lostBytes == 14)
      #expect(complaints.withLock { $0.count } == 1)

      try FileManager.default.removeItem(atPath: path)
      let again = try ConsoleLog(folder: folder.path)
      again.write(text("kept\n"), of: board)
      await again.flush()
      #expect(again.report.problem == nil)
    }
  }

  @Test func `what a disk did not take is said in the log when it takes text again`() async throws {
    try await TemporaryDirectory.with { folder in
      let log = try ConsoleLog(folder: folder.path)
      let path = log.path(of: board)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      log.write(text("lost\n"), of: board)
      await log.flush()
      try FileManager.default.removeItem(atPath: path)
      log.write(text("kept\n", after: 1), of: board)
      await log.flush()
      #expect(log.report.problem == nil)
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      #expect(lines.first?.contains(" ! 5 bytes were not logged: cannot open ") == true)
      #expect(lines.last == "2023-11-14T22:13:21.250Z | kept")
    }
  }

  @Test func `a log that somebody deleted is begun anew`() async throws {
    try await TemporaryDirectory.with { folder in
      let log = try ConsoleLog(folder: folder.path)
      log.write(text("gone\n"), of: board)
      await log.flush()
      try FileManager.default.removeItem(atPath: log.path(of: board))
      log.write(text("here\n"), of: board)
      await log.flush()
      let kept = try Data(contentsOf: URL(fileURLWithPath: log.path(of: board)))
      #expect(raw(kept) == Array("here\n".utf8))
    }
  }

  @Test func `no board's name leaves the folder or is another's`() throws {
    let boards = [
      "tty:/dev/ttyUSB0", "tty:/dev/ttyUSB-0", "unix:/a/b", "unix:/a-b", "unix:../../etc/passwd",
      "tcp:[::1]:4321", "..", "", String(repeating: "x", count: 4_000), "unix:/tmp/é\u{1B}[2J\n",
    ]
    let names = boards.map(ConsoleLog.fileName(of:))
    #expect(Set(names).count == boards.count)
    for name in names {
      #expect(!name.contains("/") && !name.hasPrefix(".") && name.utf8.count < 120)
      #expect(name.unicodeScalars.allSatisfy { 0x20..<0x7F ~= $0.value })
    }
    #expect(names[0].hasPrefix("tty-dev-ttyUSB0-"))
  }

  @Test func `a session hands over the time of a line's first byte`() {
    var lines = ConsoleLines()
    #expect(lines.receive(Array("ab".utf8), now: .milliseconds(10)) == [])
    #expect(lines.receive(Array("c\nd".utf8), now: .milliseconds(60)) == Array("abc\n".utf8))
    #expect(lines.began == .milliseconds(10))
    #expect(lines.flush(now: .milliseconds(160)) == Array("d".utf8))
    #expect(lines.began == .milliseconds(60))
    #expect(lines.receive(Array("e\n".utf8), now: .milliseconds(300)) == Array("e\n".utf8))
    #expect(lines.began == .milliseconds(300))
  }

  /// The board's bytes out of the log's.
  private func raw(_ file: Data) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = [UInt8](file)[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = rest[..<end]
      // A time of 24 characters, a space, the mark, a space.
      bytes += line.dropFirst(27)
      if line.dropFirst(25).first == UInt8(ascii: "|") { bytes.append(UInt8(ascii: "\n")) }
      rest = rest[(end + 1)...]
    }
    return bytes
  }
}

extension TemporaryDirectory {
  /// A log's files, newest first.
  fileprivate func logFiles(of path: String) throws -> [Data] {
    try ([path] + (1...20).map { "\(path).\($0)" })
      .filter(FileManager.default.fileExists(atPath:))
      .map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
  }
}
