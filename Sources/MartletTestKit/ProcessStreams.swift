// The pipes of a child process.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a child reads and writes, as the test has it.
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

  /// Starts the program that reads and writes them, once.
  /// - Returns: its number.
  func spawn(_ command: [String], environment: [String: String]) throws(ProcessFailure) -> pid_t {
    let started = try ProgramStart.spawn(
      command, environment: environment,
      input: childInput.map { .descriptor($0.fileDescriptor) } ?? .nothing,
      output: .descriptor(childOutput.fileDescriptor),
      errors: .descriptor(childErrors.fileDescriptor))
    for handle in [childInput, childOutput, childErrors] { try? handle?.close() }
    return started
  }
}
