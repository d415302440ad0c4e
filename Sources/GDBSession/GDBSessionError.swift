// What goes wrong while gdb works on a dump, in words for people.

import Foundation

/// Why gdb gave no answer: a stable code for programs, words for people, and what to do about it.
public struct GDBSessionError: Error, Equatable, Sendable {
  /// Stable names of everything that can go wrong.
  public enum Code: String, Codable, Sendable, CaseIterable {
    /// There is no gdb that knows ARM.
    case gdbMissing
    /// gdb ended with an error or could not be started.
    case gdbFailed
    /// gdb did not finish in time.
    case gdbTimeout
    /// The dump holds nothing that a backtrace could start from.
    case nothingToTrace
    /// No socket or folder for the session could be made.
    case noTransport
  }

  public var code: Code
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public init(code: Code, message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }
}

extension GDBSessionError: LocalizedError, CustomStringConvertible {
  public var description: String { "\(message). \(remedy)." }
  public var errorDescription: String? { description }
}

extension GDBSessionError {
  static func missing(_ gdb: String) -> GDBSessionError {
    GDBSessionError(
      code: .gdbMissing, message: "\(gdb) was not found",
      remedy: "Install the package gdb-multiarch (Debian, Ubuntu: apt-get install gdb-multiarch)")
  }

  static func failed(_ what: String) -> GDBSessionError {
    GDBSessionError(
      code: .gdbFailed, message: "gdb failed: \(what)",
      remedy: "Check that gdb-multiarch runs here and that the ELF file is whole")
  }

  static func noTransport(_ what: String) -> GDBSessionError {
    GDBSessionError(
      code: .noTransport, message: "No socket for gdb: \(what)",
      remedy: "Check that the folder for temporary files can be written")
  }
}
