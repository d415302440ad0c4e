// Why a command failed, for the person who gave it.

import Foundation

/// What is wrong and what to do about it. The argument parser prints it on standard error and exits
/// with 1.
struct CommandFailure: Error, LocalizedError, CustomStringConvertible {
  /// What is wrong.
  var message: String
  /// What to do about it; empty where the message says it.
  var remedy = ""

  var description: String { remedy.isEmpty ? message : "\(message) \(remedy)" }
  var errorDescription: String? { description }
}
