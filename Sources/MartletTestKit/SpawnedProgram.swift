// A program that is started without Foundation's Process.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A program whose output goes to a file. Foundation's `Process` reads the list of open descriptors beyond
/// its end when there are many, as there are in tests of a service; this one has the system start a shell,
/// which closes what it inherited.
struct SpawnedProgram: Sendable {
  let identifier: pid_t
  private let log: URL

  /// Replaces itself by what follows.
  private static let script = """
    for descriptor in /proc/self/fd/*; do
      descriptor=${descriptor##*/}
      [ "$descriptor" -gt 2 ] && eval "exec $descriptor>&-"
    done
    exec "$@"
    """

  /// - Parameters:
  ///   - command: a path and its arguments.
  ///   - log: gets what it writes.
  init(_ command: [String], log: URL) throws(ProcessFailure) {
    self.log = log
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(
      &actions, 1, log.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    let arguments = ["bash", "-c", Self.script, "bash"] + command
    let environment = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C.UTF-8"]) { $1 }
    var words = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + variables { free(text) } }
    var started = pid_t()
    let result = posix_spawn(&started, "/bin/bash", &actions, nil, &words, &variables)
    guard result == 0 else {
      throw ProcessFailure(.cannotStart, "\(command[0]) cannot be started: error \(result)")
    }
    identifier = started
    ProcessReaper.shared.add(started)
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
