// The pipes of a child process, and its start.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a child reads and writes. Foundation's `Process` is not used: it reads the list of open descriptors beyond
/// its end when there are many, as there are in tests with a rack of boards.
struct ProcessStreams {
  /// The child's standard input, to be written; `nil` when that is empty.
  let input: FileHandle?
  /// To be read.
  let output: FileHandle
  let errors: FileHandle
  /// The child's own ends.
  private let childInput: FileHandle?
  private let childOutput: FileHandle
  private let childErrors: FileHandle

  init(takesInput: Bool) throws(ProcessFailure) {
    let pipe = takesInput ? try Self.pipe() : nil
    (childInput, input) = (pipe?.reading, pipe?.writing)
    (output, childOutput) = try Self.pipe()
    (errors, childErrors) = try Self.pipe()
  }

  /// A pipe whose ends no other child inherits.
  private static func pipe() throws(ProcessFailure) -> (reading: FileHandle, writing: FileHandle) {
    var ends: [Int32] = [-1, -1]
    #if canImport(Glibc)
      let status = Glibc.pipe(&ends)
    #else
      let status = Darwin.pipe(&ends)
    #endif
    guard status == 0 else {
      throw ProcessFailure(.cannotStart, "there is no pipe for a child: error \(errno)")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (
      FileHandle(fileDescriptor: ends[0], closeOnDealloc: true),
      FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    )
  }

  #if canImport(Glibc)
    /// What is open in this process (proc(5)).
    private static var openDescriptors: [Int32] {
      let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
      return (names ?? []).compactMap { Int32($0) }
    }
  #endif

  /// Starts a program in a process group of its own, with these streams and nothing else that is open here.
  /// - Returns: its number.
  func spawn(_ program: URL, _ arguments: [String], environment: [String: String])
    throws(ProcessFailure) -> pid_t
  {
    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #else
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let childInput {
      posix_spawn_file_actions_adddup2(&actions, childInput.fileDescriptor, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, childOutput.fileDescriptor, 1)
    posix_spawn_file_actions_adddup2(&actions, childErrors.fileDescriptor, 2)
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    let flags = Int32(POSIX_SPAWN_SETPGROUP) | Int32(POSIX_SPAWN_SETSIGMASK)
    #if canImport(Glibc)
      let closing: Int32 = 0
      for descriptor in Self.openDescriptors where descriptor > 2 {
        // One that is gone by then is no error.
        posix_spawn_file_actions_addclose(&actions, descriptor)
      }
    #else
      let closing = Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
    #endif
    // Threads of tests block signals that a program must hear.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags | closing))
    var words = ([program.path] + arguments).map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + variables { free(text) } }
    var started = pid_t()
    let result = posix_spawn(&started, program.path, &actions, &attributes, &words, &variables)
    guard result == 0 else {
      throw ProcessFailure(
        .cannotStart, "\(program.path) cannot be started: \(String(cString: strerror(result)))")
    }
    for handle in [childInput, childOutput, childErrors] { try? handle?.close() }
    return started
  }
}
