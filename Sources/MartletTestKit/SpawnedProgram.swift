// A program whose output a test looks up when it wants to.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A program whose output goes to a file.
struct SpawnedProgram: Sendable {
  let identifier: pid_t
  private let log: URL

  /// - Parameters:
  ///   - command: a path and its arguments.
  ///   - log: gets what it writes.
  init(_ command: [String], log: URL) throws(ProcessFailure) {
    self.log = log
    identifier = try ProgramStart.spawn(
      command, environment: ["LC_ALL": "C.UTF-8"], output: .file(log))
  }

  /// What it wrote so far.
  var output: String {
    (try? Data(contentsOf: log)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Whether it is gone, and how it ended: 0 when all went well. Ask no more after that.
  func end(waiting: Bool) -> Int32? {
    var status: Int32 = 0
    while true {
      let ended = waitpid(identifier, &status, waiting ? 0 : WNOHANG)
      if ended == 0 { return nil }
      if ended == -1, errno == EINTR { continue }
      ProcessReaper.shared.remove(identifier)
      return ended == identifier ? status : -1
    }
  }
}
