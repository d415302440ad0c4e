// `martlet device-groups configure` against a running service: what it changes, shows and refuses.

import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(3))) struct ConfigureTests {
    /// A row of the command's answer.
    private struct Row: Decodable {
      var catalog: String
      var product: String
      var deviceGroup: String
      var before: String?
      var after: String?
      var result: String
      var error: String?

      var words: String { "\(deviceGroup) \(before ?? "-")>\(after ?? "-") \(result)" }
    }

    /// A service with the groups One and Two of bench/DW100, and Three of other/DW200.
    private static func with<Result: Sendable>(
      _ body: @escaping @Sendable (Desk) throws -> Result
    ) async throws -> Result {
      try await Desk.with { desk in
        for (catalog, product, group) in [
          ("bench", "DW100", "One"), ("bench", "DW100", "Two"), ("other", "DW200", "Three"),
        ] {
          try desk.martlet("catalog", "create", "--name", catalog)
          try desk.martlet("product", "create", "--catalog", catalog, "--product", product)
          try desk.martlet(
            "device-group", "create", "--catalog", catalog, "--product", product,
            "--device-group", group)
        }
        return try body(desk)
      }
    }

    private static func configure(_ desk: Desk, _ more: String...) throws -> [Row] {
      let answer = try run(desk, more + ["--output", "json"])
      return try JSONDecoder().decode([Row].self, from: Data(answer.output.utf8))
    }

    private static func run(_ desk: Desk, _ more: [String]) throws -> MartletAnswer {
      try desk.askMartlet(["device-groups", "configure"] + more)
    }

    @Test func `one group is set on and the others stay as they are`() async throws {
      let seen = try await Self.with { desk in
        let product = ["--product", "DW100"]
        let set = try Self.configure(desk, "--set", "on", "-p", "DW100", "--device-group", "one")
        let again = try Self.configure(desk, "--set", "on", "-p", "DW100", "--device-group", "One")
        let table = try Self.run(desk, ["--get"])
        let tabs = try Self.run(desk, ["--get", "--all", "-o", "tsv"] + product)
        let yaml = try Self.run(
          desk, ["--get", "--device-group", "One", "-o", "yaml"] + product)
        return (set: set, again: again, table: table, tabs: tabs.output, yaml: yaml.output)
      }
      #expect(seen.set.map(\.words) == ["One Disabled>Enabled Changed"])
      #expect(seen.again.map(\.words) == ["One Enabled>Enabled Unchanged"])
      #expect(seen.table.code == 0)
      let lines = seen.table.output.split(separator: "\n").map {
        $0.split(separator: " ").joined(separator: " ")
      }
      #expect(lines[0] == "Catalog Product DeviceGroup AllowCrashDumpsCollection")
      #expect(
        lines.dropFirst(2) == [
          "bench DW100 One Enabled", "bench DW100 Two Disabled", "other DW200 Three Disabled",
        ])
      #expect(seen.tabs == "bench\tDW100\tOne\tEnabled\nbench\tDW100\tTwo\tDisabled\n")
      #expect(seen.yaml.contains("allowCrashDumpsCollection: Enabled\n"))
    }

    @Test func `a dry run says what would change and changes nothing`() async throws {
      let seen = try await Self.with { desk in
        let dry = try Self.configure(desk, "--set", "on", "--all", "--dry-run")
        let after = try Self.run(desk, ["--get", "-o", "tsv"])
        return (dry: dry, after: after.output)
      }
      #expect(
        seen.dry.map(\.words) == [
          "One Disabled>Enabled WouldChange", "Two Disabled>Enabled WouldChange",
          "Three Disabled>Enabled WouldChange",
        ])
      #expect(!seen.after.contains("Enabled"))
    }

    @Test func `a group that fails is named and the others are set`() async throws {
      let seen = try await Self.with { desk in
        let names = ["One", "Nowhere", "Two"].flatMap { ["--device-group", $0] }
        return try Self.run(desk, ["--set", "on", "-p", "DW100", "-o", "json"] + names)
      }
      let rows = try JSONDecoder().decode([Row].self, from: Data(seen.output.utf8))
      #expect(
        rows.map(\.words) == [
          "One Disabled>Enabled Changed", "Nowhere ->- Failed", "Two Disabled>Enabled Changed",
        ])
      #expect(rows[1].error?.contains("does not exist") == true)
      #expect(seen.code == 1)
      #expect(seen.errors.contains("bench/DW100/Nowhere: "))
      #expect(seen.errors.contains("1 of 3 failed."))
    }

    @Test func `all groups are set only when somebody confirmed it`() async throws {
      let seen = try await Self.with { desk in
        let unasked = try Self.run(desk, ["--set", "on", "--all"])
        let before = try Self.run(desk, ["--get", "-o", "tsv"])
        let catalog = try Self.configure(desk, "--set", "on", "--all", "-c", "bench", "--yes")
        let everywhere = try Self.configure(desk, "--set", "on", "--all", "--yes")
        return (
          unasked: unasked, before: before.output, catalog: catalog, everywhere: everywhere
        )
      }
      #expect(seen.unasked.code == 1)
      #expect(seen.unasked.errors.contains("all 3 device group(s) of 2 catalog(s)"))
      #expect(seen.unasked.errors.contains("--yes"))
      #expect(!seen.before.contains("Enabled"))
      #expect(
        seen.catalog.map(\.words) == [
          "One Disabled>Enabled Changed", "Two Disabled>Enabled Changed",
        ])
      #expect(
        seen.everywhere.map(\.words) == [
          "One Enabled>Enabled Unchanged", "Two Enabled>Enabled Unchanged",
          "Three Disabled>Enabled Changed",
        ])
    }

    @Test(arguments: [("n", 1, 0), ("", 1, 0), ("yes", 0, 3)])
    func `whoever is at a terminal is asked`(answer: String, code: Int32, enabled: Int) async throws
    {
      let seen = try await Self.with { desk in
        let asked = try desk.askMartlet(
          ["device-groups", "configure", "--set", "on", "--all"], typing: answer + "\n")
        return (asked: asked, after: try Self.run(desk, ["--get", "-o", "tsv"]).output)
      }
      #expect(seen.asked.code == code)
      #expect(seen.asked.output.contains("Go on? [y/N]"))
      #expect(seen.after.split(separator: "\n").count { $0.hasSuffix("Enabled") } == enabled)
    }

    @Test(arguments: [
      (["--get", "--set", "on"], "either --get or --set"), ([], "either --get or --set"),
      (["--set", "on"], "Say which groups"), (["--set", "maybe", "--all"], "maybe"),
      (["--get", "--dry-run"], "--dry-run goes with --set"),
      (["--set", "on", "--device-group", "One"], "needs the --product"),
      (["--set", "on", "--all", "--ids", "/subscriptions/x"], "name none beside it"),
      (["--set", "on", "--ids", "One"], "not the resource id"),
    ])
    func `a wrong command line changes nothing`(arguments: [String], words: String) async throws {
      let seen = try await Desk.with(serving: false) { try Self.run($0, arguments) }
      #expect(seen.code == 64)
      #expect(seen.errors.contains(words))
    }

    @Test func `a service that does not answer fails the command`() async throws {
      let seen = try await Self.with { desk in
        desk.killService()
        return try Self.run(desk, ["--set", "on", "-p", "DW100", "--device-group", "One"])
      }
      #expect(seen.code == 1)
      #expect(seen.errors.contains("does not answer"))
    }
  }
}
