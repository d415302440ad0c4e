// Starts programs with the streams they are given, and with nothing else that is open here.

import Foundation

#if canImport(Glibc)
  import CGlibc
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How children of tests begin. Foundation's `Process` is not used: it reads the list of open descriptors beyond
/// its end when there are many, as there are in tests of a service or with a rack of boards.
enum ProgramStart {
  /// Where a program's input comes from, or what it writes goes.
  enum Stream {
    case nothing
    case descriptor(Int32)
    /// A file that is made, or emptied, for what the program writes.
    case file(URL)
  }

  /// Starts a program in a process group of its own, and has it killed when this process ends.
  /// - Parameters:
  ///   - command: a path and its arguments.
  ///   - environment: added to this process's own.
  ///   - errors: where standard error goes; with the output when `nil`.
  /// - Returns: its number. Whoever gets it awaits its end, and tells ``ProcessReaper`` of that.
  static func spawn(
    _ command: [String], environment: [String: String] = [:], input: Stream = .nothing,
    output: Stream, errors: Stream? = nil
  ) throws(ProcessFailure) -> pid_t {
    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #else
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    let streams = [input, output, errors ?? .descriptor(1)]
    for (number, stream) in zip(Int32(0)..., streams) {
      let mode = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
      switch stream {
      case .nothing:
        posix_spawn_file_actions_addopen(&actions, number, "/dev/null", mode, 0)
      case .descriptor(let descriptor):
        posix_spawn_file_actions_adddup2(&actions, descriptor, number)
      case .file(let url):
        posix_spawn_file_actions_addopen(&actions, number, url.path, mode, 0o600)
      }
    }
    var flags = Int32(POSIX_SPAWN_SETPGROUP) | Int32(POSIX_SPAWN_SETSIGMASK)
    #if canImport(Glibc)
      posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    #else
      flags |= Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
    #endif
    // Threads of tests block signals that a program must hear.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var words = command.map { strdup($0) } + [nil]
    var settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + settings { free(text) } }
    var started = pid_t()
    let result = posix_spawn(&started, command[0], &actions, &attributes, &words, &settings)
    guard result == 0 else {
      throw ProcessFailure(
        .cannotStart, "\(command[0]) cannot be started: \(String(cString: strerror(result)))")
    }
    ProcessReaper.shared.add(started)
    return started
  }
}
