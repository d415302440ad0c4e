// One bench for all scenarios: made before the first, closed after the last.

import Foundation
import MartletBenchKit
import MartletTestKit
import Synchronization
import Testing

/// The bench that the scenarios of a suite share.
struct BenchTrait: SuiteTrait, TestScoping {
  /// The bench of the scenario that runs.
  @TaskLocal static var bench: (any Bench)?

  /// The boards of `make hil BOARD=<serial>[,<serial>]`; empty for emulated ones.
  static let serials =
    ProcessInfo.processInfo.environment["MARTLET_HIL_BOARD"]?.split(separator: ",").map(String.init)
    ?? []

  func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let bench = try await onThread { try Self.make(in: folder) }
      do {
        try await Self.$bench.withValue(bench.bench) { try await function() }
      } catch {
        await Self.close(bench)
        throw error
      }
      await Self.close(bench)
    }
  }

  private struct Made: Sendable {
    var bench: any Bench
    var close: @Sendable () -> Void
  }

  private static func make(in folder: TemporaryDirectory) throws -> Made {
    let logs = EmulatedBench.kit.appendingPathComponent("logs")
    try? FileManager.default.removeItem(at: logs)
    try FileManager.default.createDirectory(at: logs, withIntermediateDirectories: true)
    let made: Made
    if serials.isEmpty {
      let bench = try EmulatedBench(in: folder, logs: logs)
      made = Made(bench: bench) { bench.close() }
    } else {
      let bench = try DeskBench(serials: serials, in: folder, logs: logs)
      made = Made(bench: bench) { bench.close() }
    }
    do {
      try claim(made.bench)
    } catch {
      made.close()
      throw error
    }
    return made
  }

  private static func close(_ made: Made) async {
    _ = try? await onThread { made.close() }
  }

  /// Gives the boards their identities, claims them, gives consent, and starts the bridge.
  private static func claim(_ bench: any Bench) throws {
    try bench.desk.makeGroup()
    try bench.desk.claim(bench.serials.map { try bench.provision($0) })
    try bench.desk.setConsent(.enabled)
    try bench.startBridgeAndWait(for: bench.serials)
  }
}

extension Trait where Self == BenchTrait {
  /// Gives a suite one bench.
  static var bench: Self { Self() }
}

/// Runs a scenario on the suite's bench, on a thread that may block.
func scenario<Result: Sendable>(
  _ body: @escaping @Sendable (any Bench) throws -> Result
) async throws -> Result {
  let bench = try #require(BenchTrait.bench)
  return try await onThread { try body(bench) }
}
