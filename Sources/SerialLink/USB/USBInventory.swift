// What is attached, for people who look for a board's address.

/// A USB serial adapter that is attached.
public struct USBAdapter: Hashable, Sendable, Encodable {
  /// One of its serial ports.
  public struct Channel: Hashable, Sendable, Encodable {
    /// `A` to `D`.
    public var channel: String
    /// What to write for it after `--board`.
    public var address: String
    /// What it is for on a board that is known.
    public var purpose: String?
    public var state: State
    /// The same in words, with the driver's or the port's name, or the reason.
    public var detail: String
    /// What to do when it cannot be opened.
    public var remedy: String?
  }

  /// Whether a bridge could open a channel.
  public enum State: String, Hashable, Sendable, Encodable {
    case free
    /// The system's driver has it, and gives it to a bridge for as long as that runs.
    case systemDriver
    /// A bridge or another program uses it.
    case inUse
    /// This user may not open it.
    case notPermitted
    case cannotOpen

    public var isUsable: Bool { self == .free || self == .systemDriver }
  }

  public var bus: Int
  /// The ports on the way from the root hub.
  public var ports: [Int]
  /// Bus and ports as sysfs has them: `1-2.4`.
  public var place: String
  /// Four hex digits each.
  public var vendorID: String
  public var productID: String
  public var manufacturer: String?
  public var product: String?
  public var serial: String?
  public var chip: String
  public var channels: [Channel]

  /// The adapters that are attached now, by place. Who uses them is not disturbed.
  ///
  /// - Throws: ``SerialLinkError`` when the system does not let itself be asked.
  public static func attached() async throws(SerialLinkError) -> [USBAdapter] {
    try await attached(to: LibUSBBus())
  }

  static func attached(to bus: any USBBus) async throws(SerialLinkError) -> [USBAdapter] {
    let devices = try await Blocking.run { () throws(SerialLinkError) in try bus.devices() }
    var adapters: [USBAdapter] = []
    for device in devices.sorted(by: { $0.place < $1.place }) {
      let channels = USBChannel.all(of: device)
      guard let first = channels.first else { continue }
      let refusal = await refusal(of: device, channels: channels, on: bus)
      let adapter = device.adapter(among: devices)
      adapters.append(
        USBAdapter(
          bus: device.place.bus, ports: device.place.ports, place: "\(device.place)",
          vendorID: USBDevice.hex(device.vendor), productID: USBDevice.hex(device.product),
          manufacturer: device.manufacturerName, product: device.productName,
          serial: device.serial, chip: first.chip.name,
          channels: channels.map { channel in
            let index = channels.count > 1 ? channel.index : nil
            return describe(
              channel, at: USBAddress(adapter, channel: index),
              holders: channel.interfaces.map { bus.holder(of: $0.number, on: device) },
              refusal: refusal)
          }))
    }
    return adapters
  }

  /// Why the device cannot be opened, found out by opening it. One that a program uses is left alone:
  /// that it can be opened is known.
  private static func refusal(
    of device: USBDevice, channels: [USBChannel], on bus: any USBBus
  ) async -> SerialLinkError? {
    let interfaces = channels.flatMap(\.interfaces).map(\.number)
    if interfaces.contains(where: { bus.holder(of: $0, on: device) == .program }) { return nil }
    do throws(SerialLinkError) {
      let handle = try await Blocking.run { () throws(SerialLinkError) in try bus.open(device) }
      await handle.close()
      return nil
    } catch {
      return error
    }
  }

  private static func describe(
    _ channel: USBChannel, at address: USBAddress, holders: [USBHolder], refusal: SerialLinkError?
  ) -> Channel {
    var result = Channel(
      channel: channel.name, address: "\(BoardAddress.usb(address))", purpose: channel.purpose,
      state: .free, detail: "free")
    for case .driver(let name, let port) in holders {
      result.state = .systemDriver
      result.detail = "free; \(name)\(port.map { " (\($0))" } ?? "") gives way"
      if port != nil { break }
    }
    if let refusal {
      result.state = refusal.code == .notPermitted ? .notPermitted : .cannotOpen
      result.detail = refusal.message
      result.remedy = refusal.remedy.isEmpty ? nil : refusal.remedy
    } else if holders.contains(.program) {
      result.state = .inUse
      result.detail = "in use by a bridge or another program"
    }
    return result
  }
}

extension USBPlace: Comparable {
  public static func < (a: USBPlace, b: USBPlace) -> Bool {
    a.bus != b.bus ? a.bus < b.bus : a.ports.lexicographicallyPrecedes(b.ports)
  }
}
