// The programs that people type, used as a person would.

import Foundation
import ServiceAPI
import Subprocess

/// Runs a program and shows each command as one would type it.
struct OperatorTool: Sendable {
  /// More output than this is no answer to any command here.
  private static let mostOutput = 4 << 20

  /// As one types it.
  var name = "martlet"
  var path: String
  let service: String
  /// The token of somebody who manages everything and reads dumps; the bridge's in the bridge's tool.
  var token: String
  /// The service's authority.
  let authority: String
  /// A configuration of this run's own, so that the user's has no part in it.
  let configuration: URL
  let progress: Progress
  let patience: Duration

  /// Runs a command and returns what it printed.
  ///
  /// - Throws: ``DemoFailure`` with `unexpected` when it fails, or `tooLate`.
  @discardableResult
  func run(_ arguments: [String]) async throws -> String {
    progress.say("  $ \(name) " + arguments.map(Self.quoted).joined(separator: " "))
    return try await quietly(arguments)
  }

  /// The dumps that the service holds, newest first.
  func dumps() async throws -> [DumpSummary] {
    let answer = try await run(["dump", "list", "-o", "json"])
    do {
      return try ServiceJSON.decoder().decode([DumpSummary].self, from: Data(answer.utf8))
    } catch {
      throw DemoFailure(.unexpected, "martlet dump list printed no list of dumps: \(answer)")
    }
  }

  private func quietly(_ arguments: [String]) async throws -> String {
    let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
      group.addTask { try await launch(arguments) }
      group.addTask { [patience] in
        try await Task.sleep(for: patience)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    try Task.checkCancellation()
    guard let outcome else {
      throw DemoFailure(
        .tooLate, "\(name) \(arguments.prefix(2).joined(separator: " ")) did not end in time",
        remedy: "Look whether the machine is busy; --patience gives more time")
    }
    guard outcome.isSuccess else {
      throw DemoFailure(
        .unexpected,
        "\(name) \(arguments.prefix(2).joined(separator: " ")) failed: "
          + outcome.errors.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    return outcome.output
  }

  private struct Outcome: Sendable {
    var isSuccess: Bool
    var output: String
    var errors: String
  }

  private func launch(_ arguments: [String]) async throws -> Outcome {
    let result = try await Subprocess.run(
      .path(.init(path)), arguments: Arguments(arguments),
      environment: .inherit.updating([
        "MARTLET_SERVICE": service, "MARTLET_CONFIG": configuration.path, "MARTLET_CATALOG": nil,
        "MARTLET_SYMBOL_PATH": nil, "MARTLET_TOKEN": token, "MARTLET_CA": authority,
      ]),
      output: .string(limit: Self.mostOutput), error: .string(limit: Self.mostOutput))
    return Outcome(
      isSuccess: result.terminationStatus.isSuccess, output: result.standardOutput,
      errors: result.standardError)
  }

  private static func quoted(_ word: String) -> String {
    let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./:=".contains($0) }
    return plain && !word.isEmpty ? word : "'\(word)'"
  }
}
