// Runs the operators' tool where failures are answers too, also as a person at a terminal does.

import Foundation
import MartletTestKit

/// What `martlet` printed, and its exit status.
public struct MartletAnswer: Sendable {
  public var output: String
  public var errors: String
  public var code: Int32
}

extension Desk {
  /// Runs `martlet` and waits for its end, however it ends. Nobody is at a terminal.
  /// - Parameter variable: is empty in the tool's environment.
  public func askMartlet(_ arguments: [String], without variable: String? = nil) throws
    -> MartletAnswer
  {
    var environment = toolEnvironment
    if let variable { environment[variable] = "" }
    return try ended(ProcessChild(tool, arguments, environment: environment))
  }

  /// Runs `martlet` at a terminal, where a person answers its question; what it prints is all in the
  /// output.
  /// - Parameter typing: typed when the question is there.
  public func askMartlet(_ arguments: [String], typing: String) throws -> MartletAnswer {
    let command = ([tool.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    // script(1) gives a program a terminal and ends as it does.
    let child = try ProcessChild(
      URL(fileURLWithPath: "/usr/bin/script"),
      ["--quiet", "--return", "--command", command, "/dev/null"], environment: toolEnvironment,
      takesInput: true)
    try child.wait(for: "a question") { output, _ in output.hasSuffix("? [y/N] ") }
    child.write(typing)
    return try ended(child)
  }

  private func ended(_ child: ProcessChild) throws -> MartletAnswer {
    guard case .exit(let code) = try child.waitForEnd() else {
      throw ProcessFailure(.unexpected, "\(child.name) was killed\n\(child.errors)")
    }
    return MartletAnswer(output: child.output, errors: child.errors, code: code)
  }
}
