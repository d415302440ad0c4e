// `martlet retention`: proves that nothing is kept for longer than it may be.

import ArgumentParser
import ServiceAPI

struct RetentionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retention", abstract: "The end of dumps after 29 days, or less.",
    subcommands: [Verify.self, Delete.self])

  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Asks the databases of all regions for what is older than it may be.",
      discussion: """
        Ends with status 1 when there is anything: a dump, what is in it, or its key. It takes the \\
        role auditor for all catalogs.

        Examples:
          martlet retention verify
          martlet retention verify -o json
        """)
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      try await show(try await options.client().get(RetentionPath.report), options)
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deletes what is over at once, instead of within a minute, and verifies that.")
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      try await show(
        try await options.client().post(RetentionPath.report, [String: String]()), options)
    }
  }
}

private func show(_ report: RetentionReport, _ options: ServiceOptions) async throws {
  switch options.output {
  case .json: try printJSON(report)
  case .yaml: try printYAML(report)
  case .table, .tsv:
    try options.output.show(report.regions.map(RetentionRow.init), none: "No regions.")
  }
  guard report.isKept else {
    throw CommandFailure(
      message: "Something is kept for longer than it may be.",
      remedy: "The service deletes once a minute: its log says why it could not. Try martlet "
        + "retention delete.")
  }
  note(
    "Nothing is older than \(report.days) days"
      + (report.shorterGroups > 0
        ? ", and in \(report.shorterGroups) device group(s) than their shorter period." : "."))
}

private struct RetentionRow: TableRow {
  static let titles = ["Region", "Dumps", "Oldest", "OverdueDumps", "OverdueKeys"]
  var region: RetentionReport.Region

  var cells: [String] {
    [
      region.region, "\(region.dumps)", region.oldest.map { $0.formatted(.iso8601) } ?? "-",
      "\(region.overdueDumps)", "\(region.overdueKeys)",
    ]
  }

  func encode(to encoder: any Encoder) throws { try region.encode(to: encoder) }
}
