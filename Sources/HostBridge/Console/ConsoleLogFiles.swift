// The files of the console log: appended to, rotated, and opened again when somebody took them away.

import Foundation

/// Used on the log's own thread alone.
final class ConsoleLogFiles: @unchecked Sendable {
  /// Text that is in no file.
  struct Failure {
    var words: String
    var lostBytes: Int
  }

  private struct File {
    var descriptor: CInt
    var size: Int
  }

  private let folder: String
  private let limits: ConsoleLog.Limits
  private var files: [String: File] = [:]
  /// What has to be said in each file before the next text.
  private var owed: [String: (bytes: Int, words: String)] = [:]

  init(folder: String, limits: ConsoleLog.Limits) {
    self.folder = folder
    self.limits = limits
  }

  deinit {
    for file in files.values { close(file.descriptor) }
  }

  /// Text of this board is lost; the file will say so.
  func note(lost bytes: Int, of name: String, words: String) {
    owed[name, default: (0, words)].bytes += bytes
  }

  /// Appends text, each line with its time and mark.
  func append(_ text: ConsoleText, to name: String) -> Failure? {
    let began = text.began.formatted(Date.ISO8601FormatStyle.milliseconds)
    let time = text.time.formatted(Date.ISO8601FormatStyle.milliseconds)
    var written = 0
    do throws(Problem) {
      if let (bytes, words) = owed[name] {
        let line = Self.line(Array("\(bytes) bytes were not logged: \(words)".utf8), "!", began)
        try put(line, to: name)
        owed[name] = nil
      }
      var buffer: [UInt8] = []
      var taken = 0
      for line in text.bytes.lines {
        let isWhole = line.last == UInt8(ascii: "\n")
        let content = isWhole ? line.dropLast() : line
        let entry = Self.line(content, isWhole ? "|" : "~", taken == 0 ? began : time)
        if try room(in: name) < buffer.count + entry.count {
          try put(buffer, to: name)
          written = taken
          buffer = []
          try rotate(name, for: entry.count)
        }
        buffer += entry
        taken += line.count
      }
      try put(buffer, to: name)
      return nil
    } catch {
      let lost = text.bytes.count - written
      note(lost: lost, of: name, words: error.words)
      return Failure(words: error.words, lostBytes: lost)
    }
  }

  private static func line(
    _ content: some Collection<UInt8>, _ mark: Character, _ time: String
  ) -> [UInt8] {
    Array("\(time) \(mark) ".utf8) + content + [UInt8(ascii: "\n")]
  }

  // MARK: - Files

  private struct Problem: Error {
    var words: String

    init(_ verb: String, _ path: String, _ number: CInt = errno) {
      words = "cannot \(verb) \(path): \(String(cString: strerror(number)))"
    }
  }

  private func path(_ name: String, _ number: Int = 0) -> String {
    number == 0 ? "\(folder)/\(name)" : "\(folder)/\(name).\(number)"
  }

  /// Opens the file when it is not open, or no longer in the folder.
  private func file(_ name: String) throws(Problem) -> File {
    if let file = files[name] {
      var status = stat()
      if fstat(file.descriptor, &status) == 0, status.st_nlink > 0 { return file }
      close(file.descriptor)
      files[name] = nil
    }
    let path = path(name)
    let descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw Problem("open", path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let number = errno
      close(descriptor)
      throw Problem("look at", path, number)
    }
    let file = File(descriptor: descriptor, size: Int(status.st_size))
    files[name] = file
    // The machine may have gone down in the middle of a line.
    var last: UInt8 = UInt8(ascii: "\n")
    if file.size > 0, pread(descriptor, &last, 1, status.st_size - 1) == 1,
      last != UInt8(ascii: "\n")
    {
      try put([UInt8(ascii: "\n")], to: name)
    }
    return files[name] ?? file
  }

  private func room(in name: String) throws(Problem) -> Int {
    limits.fileBytes - (try file(name).size)
  }

  /// Writes all of it or nothing.
  private func put(_ bytes: [UInt8], to name: String) throws(Problem) {
    guard !bytes.isEmpty else { return }
    let file = try file(name)
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        write(file.descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let number = count < 0 ? errno : ENOSPC
        // Half a line would be taken for a whole one.
        if done > 0 { ftruncate(file.descriptor, off_t(file.size)) }
        throw Problem("write", path(name), number)
      }
      done += count
    }
    files[name]?.size += bytes.count
  }

  /// Begins a new file, unless this one is empty.
  private func rotate(_ name: String, for bytes: Int) throws(Problem) {
    let current = try file(name)
    guard current.size > 0 else { return }
    close(current.descriptor)
    files[name] = nil
    if limits.files < 2 {
      unlink(path(name))
    } else {
      for number in stride(from: limits.files - 2, through: 0, by: -1) {
        rename(path(name, number), path(name, number + 1))
      }
      // The newest has moved, unless the folder cannot be changed: then this one grows no further.
      guard access(path(name), F_OK) != 0 else { throw Problem("rotate", path(name), EACCES) }
    }
  }
}

extension [UInt8] {
  /// The lines, each with its end when it has one.
  fileprivate var lines: [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = startIndex
    while start < endIndex {
      let end = self[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? endIndex
      lines.append(self[start..<end])
      start = end
    }
    return lines
  }
}
