// One batch run of gdb on a stub's socket.

import Foundation
import Subprocess

/// Runs gdb without anybody's start-up files, on an ELF file and a stub, for a bounded time.
struct GDBProcess {
  /// More output than this is no answer to any command here.
  private static let mostOutput = 4 << 20

  var gdb: String
  var timeLimit: Duration

  /// Runs `commands` after gdb has connected and returns what it printed.
  /// - Throws: `gdbMissing`, `gdbFailed` or `gdbTimeout`.
  func run(elf: String, socket: String, commands: [String]) async throws -> String {
    let limit = timeLimit
    let outcome = try await withThrowingTaskGroup(of: Outcome.self) { group in
      group.addTask { try await launch(elf: elf, socket: socket, commands: commands) }
      group.addTask {
        try await Task.sleep(for: limit)
        return .timeUp
      }
      defer { group.cancelAll() }
      return try await group.next() ?? .timeUp
    }
    switch outcome {
    case .timeUp:
      throw GDBSessionError(
        code: .gdbTimeout, message: "gdb did not finish within \(limit)",
        remedy: "Try again on a machine with less load, or report it with the dump")
    case .ended(let isSuccess, let output, let errors):
      guard isSuccess else {
        throw GDBSessionError.failed(errors.isEmpty ? "no message" : String(errors.suffix(600)))
      }
      return output
    }
  }

  private enum Outcome: Sendable {
    case ended(isSuccess: Bool, output: String, errors: String)
    case timeUp
  }

  private func launch(elf: String, socket: String, commands: [String]) async throws -> Outcome {
    let executable: Executable = gdb.contains("/") ? .path(.init(gdb)) : .name(gdb)
    // An ELF file can carry scripts and name other files: nothing in it is run, nothing is fetched.
    var arguments = ["-nx", "-batch", "-iex", "set auto-load no"]
    arguments += ["-iex", "set debuginfod enabled off", "-iex", "set sysroot /nonexistent"]
    let quiet = ["set confirm off", "set width 0", "set pagination off", "set remotetimeout 10"]
    for command in quiet { arguments += ["-ex", command] }
    // gdb 13 finds nothing through the .debug_names that Swift's compiler writes; -readnow goes
    // without.
    arguments += ["-ex", "file -readnow \(Self.quoted(elf))", "-ex", "target remote \(socket)"]
    for command in commands { arguments += ["-ex", command] }
    do {
      let result = try await Subprocess.run(
        executable, arguments: Arguments(arguments),
        environment: .inherit.updating(["LC_ALL": "C.UTF-8"]),
        output: .string(limit: Self.mostOutput), error: .string(limit: Self.mostOutput))
      return .ended(
        isSuccess: result.terminationStatus.isSuccess, output: result.standardOutput,
        errors: result.standardError)
    } catch let error as SubprocessError where error.code == .executableNotFound {
      throw GDBSessionError.missing(gdb)
    } catch let error as SubprocessError {
      throw GDBSessionError.failed("\(error)")
    }
  }

  /// A file name as gdb's `file` takes it.
  private static func quoted(_ path: String) -> String {
    "\""
      + path.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(
        of: "\"", with: "\\\"")
      + "\""
  }
}
