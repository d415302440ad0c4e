// `martlet device-groups configure`: consent of one, many or all device groups at a time.

import ArgumentParser
import Foundation
import ServiceAPI

struct DeviceGroupsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device-groups", abstract: "Many device groups at a time.",
    subcommands: [Configure.self])

  /// What `--set` takes.
  enum Switch: String, ExpressibleByArgument, CaseIterable {
    case on
    case off

    var consent: CrashDumpsCollection { self == .on ? .enabled : .disabled }
  }

  struct Configure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows or sets whether crash dumps of device groups are collected.",
      discussion: """
        Goes on when a group fails, and exits with 1 at the end when one did. Examples:
          martlet device-groups configure --get
          martlet device-groups configure --set on --product DW100 --device-group Marketing
          martlet device-groups configure --set off --all --dry-run
          martlet device-groups configure --set off --all --yes --output tsv
        """)

    @Flag(help: "Shows what is set. Without a selection: of all groups of all catalogs.")
    var get = false

    @Option(name: .customLong("set"), help: "Sets it on or off.")
    var new: Switch?

    @OptionGroup var selection: DeviceGroupSelection

    @Flag(help: "Shows what would change and changes nothing.")
    var dryRun = false

    @Flag(name: [.short, .long], help: "Does not ask before all groups are changed.")
    var yes = false

    @OptionGroup var options: ServiceOptions

    func validate() throws {
      guard get != (new != nil) else { throw ValidationError("Give either --get or --set.") }
      guard !dryRun || new != nil else {
        throw ValidationError("--dry-run goes with --set: --get changes nothing.")
      }
      guard new == nil || !selection.isEmpty else {
        throw ValidationError(
          "Say which groups: --product with --device-group, --ids, or --all for every one.")
      }
    }

    func run() async throws {
      let client = try options.client()
      var found = try await selection.find(with: client)
      if let new, selection.isAll, !dryRun {
        try confirm(new, found)
      }
      for index in found.indices { await configure(&found[index], client) }
      try show(found)
      let failures = found.count { $0.result == .failed }
      for row in found {
        if let error = row.error { note("\(row.words): \(error)") }
      }
      if failures > 0 {
        note("\(failures) of \(found.count) failed.")
        throw ExitCode.failure
      }
    }

    private func configure(_ row: inout ConsentOutcome, _ client: ServiceClient) async {
      guard let path = row.id, row.result != .failed else { return }
      do {
        if row.before == nil {
          let resource: DeviceGroupResource = try await client.get(path)
          row.show(resource)
        }
        guard let wanted = new?.consent else { return row.end(.unchanged, row.before) }
        guard wanted != row.before else { return row.end(.unchanged, wanted) }
        guard !dryRun else { return row.end(.wouldChange, wanted) }
        let change = DeviceGroupChange(properties: .init(allowCrashDumpsCollection: wanted))
        let resource: DeviceGroupResource = try await client.patch(path, change)
        let after = resource.properties.allowCrashDumpsCollection
        guard after == wanted else { return row.fail("The service left it as it was.") }
        row.end(.changed, after)
      } catch {
        row.fail("\(error)")
      }
    }

    private func show(_ found: [ConsentOutcome]) throws {
      let none = "No device groups. Make one with martlet device-group create."
      if get {
        try options.output.show(found.map(ConsentState.init), none: none)
      } else {
        try options.output.show(found, none: none)
      }
    }

    /// Asks whether all groups are meant.
    private func confirm(_ new: Switch, _ found: [ConsentOutcome]) throws {
      let count = found.count { $0.id != nil }
      let catalogs = Set(found.map(\.catalog)).count
      guard !yes, count > 0 else { return }
      let what =
        "This sets crash dump collection \(new.rawValue) for all \(count) device group(s) of "
        + "\(catalogs) catalog(s)."
      guard isatty(STDIN_FILENO) == 1 else {
        throw CommandFailure(
          message: "\(what) Nobody is at a terminal to confirm that; nothing was changed.",
          remedy: "Give --yes when all are meant.")
      }
      FileHandle.standardError.write(Data("\(what) Go on? [y/N] ".utf8))
      let answer = readLine()?.trimmingCharacters(in: .whitespaces).lowercased() ?? ""
      guard ["y", "yes"].contains(answer) else {
        throw CommandFailure(message: "Nothing was changed.")
      }
    }
  }
}
