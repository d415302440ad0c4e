// `martlet device-group`: where consent is given and revoked.

import ArgumentParser
import NIOHTTP1
import ServiceAPI

struct DeviceGroupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device-group",
    abstract: "Device groups: consent to collect crash dumps is given and revoked here.",
    subcommands: [Create.self, Update.self, Show.self, List.self, Delete.self])

  /// What may be set on a group.
  struct Settings: ParsableArguments {
    @Option(
      help: "Whether crash dumps of the group's devices are collected. A new group's are not.")
    var allowCrashDumpsCollection: CrashDumpsCollection?

    @Option(
      help: ArgumentHelp(
        "Where dumps are stored and processed: EU alone, or None for East or West US. A change ends "
          + "the consent so far: dumps that boards and bridges still hold are dropped."))
    var regionalDataBoundary: RegionalDataBoundary?

    @Option(help: "For how many days dumps of the group are kept, 1 to 29.")
    var retentionDays: Int?

    @Option(help: "The feed that the operating system follows.")
    var osFeed: OSFeedType?

    @Option(help: "What the group's devices update by themselves.")
    var applicationUpdate: UpdatePolicy?

    @Option(help: "Words about the group.")
    var description: String?

    var change: DeviceGroupChange {
      DeviceGroupChange(
        properties: .init(
          description: description, osFeedType: osFeed, updatePolicy: applicationUpdate,
          allowCrashDumpsCollection: allowCrashDumpsCollection,
          regionalDataBoundary: regionalDataBoundary, crashDumpRetentionDays: retentionDays))
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a device group, or sets an existing one back to what is given here.")
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var settings: Settings
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: DeviceGroupResource = try await options.client()
        .put(try group.reference().path, settings.change)
      try options.output.show(DeviceGroupRow(resource: resource))
    }
  }

  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Changes what is given and leaves the rest as it is.")
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var settings: Settings
    @OptionGroup var options: ServiceOptions

    func validate() throws {
      guard settings.change != DeviceGroupChange() else {
        throw ValidationError(
          "Nothing to change. Give at least one setting, as in "
            + "--allow-crash-dumps-collection Enabled.")
      }
    }

    func run() async throws {
      let resource: DeviceGroupResource = try await options.client()
        .patch(try group.reference().path, settings.change)
      try options.output.show(DeviceGroupRow(resource: resource))
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows a device group.")
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: DeviceGroupResource = try await options.client()
        .get(try group.reference().path)
      try options.output.show(DeviceGroupRow(resource: resource))
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the device groups of a product, or of the whole catalog.")
    @OptionGroup var catalog: CatalogOptions
    @Option(name: [.short, .long], help: "The product. (default: all of the catalog)")
    var product: String?
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let client = try options.client()
      let catalog = try catalog.reference()
      let found: [DeviceGroupResource] =
        if let product {
          try await client.list(
            ProductReference(catalog: catalog, name: product).deviceGroupsPath)
        } else {
          try await client.list(catalog.listDeviceGroupsPath, method: .POST)
        }
      try options.output.show(
        found.map(DeviceGroupRow.init),
        none: "No device groups. Make one with martlet device-group create.")
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deletes a device group; no device may be in it.")
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let reference = try group.reference()
      if try await !options.client().delete(reference.path) {
        note("There was no device group '\(reference.name)'.")
      }
    }
  }
}
