// The port of a service that was started as a child process.

import Foundation

extension ProcessChild {
  /// Waits until the program says where it listens: `listening on http://127.0.0.1:8730` on standard
  /// output.
  ///
  /// - Parameter scheme: `http` or `https`.
  /// - Returns: the port.
  /// - Throws: what ``wait(for:within:until:)`` throws, and ``ProcessFailure`` with `unexpected` when what
  ///   it says is no port.
  public func waitForPort(_ scheme: String = "http") throws(ProcessFailure) -> Int {
    let mark = "listening on \(scheme)://127.0.0.1:"
    try wait(for: "word that it listens") { output, _ in
      output.contains(mark) && output.hasSuffix("\n")
    }
    let digits = output.components(separatedBy: mark).last?.prefix { $0.isNumber }
    guard let port = digits.flatMap({ Int($0) }) else {
      throw ProcessFailure(.unexpected, "\(name) does not say its port\n\(output.suffix(2000))")
    }
    return port
  }
}
