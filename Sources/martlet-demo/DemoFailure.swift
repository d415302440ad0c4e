// Why the demo did not see what it was to see.

import Foundation

/// What went wrong, for people, and what to do about it.
struct DemoFailure: Error, CustomStringConvertible {
  enum Code: String, Sendable {
    /// A program or a file that the demo needs is not there.
    case missing
    /// Another demo runs in the folder.
    case busy
    /// The system refused something: a folder, a file, a process.
    case system
    /// What was waited for did not come in time.
    case tooLate
    /// A program ended that should have gone on.
    case ended
    /// What came was not what had to come.
    case unexpected
    /// Somebody stopped the demo.
    case interrupted
  }

  var code: Code
  /// The step that it happened in; empty before the first.
  var step = ""
  var message: String
  /// What to do about it; empty when the message says all.
  var remedy: String

  init(_ code: Code, _ message: String, remedy: String = "") {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  var description: String {
    let end = message.hasSuffix(".") || remedy.isEmpty ? "" : "."
    return (step.isEmpty ? "" : "\(step): ") + message + end + (remedy.isEmpty ? "" : " \(remedy)")
  }

  /// Any error as one of these.
  init(_ error: any Error) {
    switch error {
    case let failure as DemoFailure: self = failure
    case is CancellationError: self.init(.interrupted, "interrupted", remedy: "Run it again")
    default: self.init(.system, "\(error)")
    }
  }

  /// A failed system call.
  static func system(_ doing: String, remedy: String = "") -> DemoFailure {
    DemoFailure(.system, "cannot \(doing): \(String(cString: strerror(errno)))", remedy: remedy)
  }
}
