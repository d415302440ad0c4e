// The load programs against a real service, for a second: that figures come out, and nothing is lost.

import Foundation
import MartletTestKit
import Testing

@Suite struct LoadProgramTests {
  /// The figures that a run of martlet-load reports.
  private func figures(_ arguments: [String]) async throws -> [String: Double] {
    try await onThread {
      try TemporaryDirectory.with { directory in
        let file = directory.file("figures.jsonl")
        let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
          .appending(path: "martlet-load")
        let child = try ProcessChild(
          program, arguments, environment: ["MARTLET_FIGURES": file.path])
        let ending = try child.waitForEnd(within: .seconds(300))
        #expect(ending == .exit(0), "\(child.output)\(child.errors)")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        let figures = try lines.map { line in
          try JSONDecoder().decode(ReportedFigure.self, from: Data(line.utf8))
        }
        return Dictionary(figures.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
      }
    }
  }

  private struct ReportedFigure: Decodable {
    var name: String
    var value: Double
  }

  @Test func `ingest is held against the raw limit in the same run`() async throws {
    let figures = try await figures([
      "ingest", "--rounds", "1", "--seconds", "0.5", "--half-seconds", "0.5", "--prepared", "200",
    ])
    let rate = try #require(figures["ingest.sqlite.rate"])
    let limit = try #require(figures["limit.sqlite.rate"])
    let share = try #require(figures["ingest.sqlite.share"])
    #expect(rate > 0)
    // Rates are whole numbers, the share is of what they were before.
    #expect(abs(share - rate / limit) < 0.1)
    #expect(try #require(figures["ingest.p99.ms"]) > 0)
  }

  @Test func `what a service acknowledged while it was offered too much is all there`() async throws
  {
    let figures = try await figures([
      "overload", "--seconds", "1", "--calm-seconds", "0.5", "--prepared", "200", "--connections",
      "128", "--times", "4",
    ])
    #expect(figures["overload.unstored"] == 0)
    #expect(try #require(figures["overload.refusal.ms"]) >= 0)
    #expect(try #require(figures["overload.recovery.share"]) > 0)
  }

  @Test func `a store that is filled beside the service reads as its own, and loses a day`()
    async throws
  {
    let figures = try await figures(["million", "--dumps", "2900", "--times", "1"])
    #expect(try #require(figures["million.page.ms"]) > 0)
    #expect(try #require(figures["million.delete.s"]) > 0)
  }
}
