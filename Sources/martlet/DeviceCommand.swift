// `martlet device`.

import ArgumentParser
import NIOHTTP1
import ServiceAPI

struct DeviceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device", abstract: "Devices: claiming them into groups, and looking at them.",
    subcommands: [Claim.self, Show.self, List.self, Crashes.self])

  /// Reads a device id of an option.
  static func device(_ text: String) throws -> DeviceID {
    guard let device = DeviceID(text) else {
      throw ValidationError("'\(text)' is not a device id: a device id has 128 hex digits.")
    }
    return device
  }

  struct Claim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Claims devices into a device group, or moves them there within the catalog.")
    @Option(
      help: "A device id, 128 hex digits. May be given several times.",
      transform: { try DeviceCommand.device($0) })
    var device: [DeviceID]
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
      guard !device.isEmpty else { throw ValidationError("Name a device with --device.") }
    }

    func run() async throws {
      let client = try options.client()
      let group = try group.reference()
      try await client.perform(
        group.claimDevicesPath, ClaimDevicesRequest(deviceIdentifiers: device.map(\.text)))
      var claimed: [DeviceRow] = []
      for device in device {
        claimed.append(DeviceRow(resource: try await client.get(group.devicePath(device.text))))
      }
      try options.output.show(claimed, none: "")
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows where in the catalog a device is, and how often it crashed.")
    @Option(
      help: "The device id, 128 hex digits.", transform: { try DeviceCommand.device($0) })
    var device: DeviceID
    @OptionGroup var catalog: CatalogOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let catalog = try catalog.reference()
      let client = try options.client()
      let all: [DeviceResource] =
        try await client
        .list(catalog.listDevicesPath, method: .POST)
      guard let found = all.first(where: { $0.name == device.text }) else {
        throw CommandFailure(
          message: "The device is not in the catalog '\(catalog.name)'.",
          remedy: "Claim it with martlet device claim.")
      }
      let crashes: DeviceCrashes = try await client.get(
        DeviceCrashesPath.crashes(device: device.text))
      try options.output.show(DeviceDetail(row: DeviceRow(resource: found), crashes: crashes))
    }
  }

  struct Crashes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists how often a device crashed, by fingerprint, the most frequent first.",
      discussion: """
        Identical crashes share a fingerprint. Beyond its limit a device keeps no more dumps of one \
        and counts on: the totals here are those of all crashes.
        """)
    @Option(
      help: "The device id, 128 hex digits.", transform: { try DeviceCommand.device($0) })
    var device: DeviceID
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let crashes: DeviceCrashes = try await options.client().get(
        DeviceCrashesPath.crashes(device: device.text))
      try options.output.show(
        crashes.fingerprints.map(CrashRow.init), none: "No crashes were counted.")
      if crashes.uncaptured > 0 {
        note("\(crashes.uncaptured) more crashes were not captured, for want of consent.")
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the devices of a device group, or of the whole catalog.")
    @OptionGroup var catalog: CatalogOptions
    @Option(name: [.short, .long], help: "The product. Needed with --device-group.")
    var product: String?
    @Option(name: [.short, .long], help: "The device group. (default: all of the catalog)")
    var deviceGroup: String?
    @OptionGroup var options: ServiceOptions

    func validate() throws {
      guard (product == nil) == (deviceGroup == nil) else {
        throw ValidationError("--product and --device-group go together.")
      }
    }

    func run() async throws {
      let client = try options.client()
      let catalog = try catalog.reference()
      let found: [DeviceResource] =
        if let product, let deviceGroup {
          try await client.list(
            DeviceGroupReference(
              product: ProductReference(catalog: catalog, name: product), name: deviceGroup
            ).devicesPath)
        } else {
          try await client.list(catalog.listDevicesPath, method: .POST)
        }
      try options.output.show(
        found.map(DeviceRow.init), none: "No devices. Claim one with martlet device claim.")
    }
  }
}
