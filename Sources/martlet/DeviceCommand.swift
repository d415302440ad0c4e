// `martlet device`.

import ArgumentParser
import NIOHTTP1
import ServiceAPI

struct DeviceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device", abstract: "Devices: claiming them into groups, and looking at them.",
    subcommands: [Claim.self, Unclaim.self, Show.self, List.self, Crashes.self])

  /// Reads a device id of an option.
  static func device(_ text: String) throws -> DeviceID {
    guard let device = DeviceID(text) else {
      throw ValidationError("'\(text)' is not a device id: a device id has 128 hex digits.")
    }
    return device
  }

  struct Claim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Claims devices into a device group, or moves them there within the catalog.",
      discussion: """
        A device gets consent and delivers dumps only when the service knows its public key. That is \
        in what martlet-bridge provision prints, with a proof that is good for ten minutes; \
        --identity registers it and claims the device in one go:
          martlet-bridge provision --board <board> -o json > board.json
          martlet device claim --identity board.json --product DW100 --device-group Marketing
        """)
    @Option(
      help: "A device id, 128 hex digits. May be given several times.",
      transform: { try DeviceCommand.device($0) })
    var device: [DeviceID] = []
    @Option(
      help: ArgumentHelp(
        "A file with the identity of a device, as martlet-bridge provision prints it; - reads "
          + "standard input. May be given several times."),
      completion: .file())
    var identity: [String] = []
    @OptionGroup var group: DeviceGroupOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
      guard !device.isEmpty || !identity.isEmpty else {
        throw ValidationError("Name a device with --device or --identity.")
      }
    }

    func run() async throws {
      let client = try options.client()
      let group = try group.reference()
      var devices = device
      for file in identity {
        let identity = try IdentityFile.read(file)
        let _: RegisteredDevice = try await client.put(
          ProvisioningPath.identity(device: identity.device.text), identity.proof)
        if !devices.contains(identity.device) { devices.append(identity.device) }
      }
      try await client.perform(
        group.claimDevicesPath, ClaimDevicesRequest(deviceIdentifiers: devices.map(\.text)))
      var claimed: [DeviceRow] = []
      for device in devices {
        claimed.append(DeviceRow(resource: try await client.get(group.devicePath(device.text))))
      }
      try options.output.show(claimed, none: "")
    }
  }

  struct Unclaim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a device out of the catalog; its crash dumps are not collected any more.",
      discussion: """
        The consent that the device has ends at once for the service, and for the device when it \
        next hears from it. Stored dumps stay. A provisioned device can be claimed again, into the \
        same catalog.
        """)
    @OptionGroup var named: DeviceOptions
    @OptionGroup var catalog: CatalogOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let client = try options.client()
      let found = try await DeviceCommand.find(named.device, in: catalog.reference(), client)
      if try await !client.delete(found.id) { note("The device was unclaimed meanwhile.") }
    }
  }

  /// A device of a catalog, wherever in it.
  static func find(_ device: DeviceID, in catalog: CatalogReference, _ client: ServiceClient)
    async throws -> DeviceResource
  {
    let all: [DeviceResource] = try await client.list(catalog.listDevicesPath, method: .POST)
    guard let found = all.first(where: { $0.name == device.text }) else {
      throw CommandFailure(
        message: "The device is not in the catalog '\(catalog.name)'.",
        remedy: "Claim it with martlet device claim.")
    }
    return found
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows where in the catalog a device is, and how often it crashed.",
      discussion: """
        ProvisionedFor is the catalog whose leases the device takes; "no" is a device whose public \
        key the service does not know, so that it gets no consent.
        """)
    @OptionGroup var named: DeviceOptions
    @OptionGroup var catalog: CatalogOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let client = try options.client()
      let found = try await DeviceCommand.find(named.device, in: catalog.reference(), client)
      let registered: RegisteredDevice? = try await client.find(
        ProvisioningPath.identity(device: named.device.text))
      let crashes: DeviceCrashes = try await client.get(
        DeviceCrashesPath.crashes(device: named.device.text))
      try options.output.show(
        DeviceDetail(
          row: DeviceRow(resource: found), crashes: crashes,
          provisionedFor: registered?.catalog))
    }
  }

  struct Crashes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists how often a device crashed, by fingerprint, the most frequent first.",
      discussion: """
        Identical crashes share a fingerprint. Beyond its limit a device keeps no more dumps of one \
        and counts on: the totals here are those of all crashes. DumpsSkipped are dumps that were \
        offered and not taken, because the device group had enough of them.
        """)
    @OptionGroup var named: DeviceOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let crashes: DeviceCrashes = try await options.client().get(
        DeviceCrashesPath.crashes(device: named.device.text))
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
