// What kinds of USB serial chips differ in.

/// A kind of USB serial chip: which devices are of it, how its line is set up, what it adds to data.
protocol USBSerialChip: Sendable {
  /// The chip's name for people.
  var name: String { get }

  /// The requests that set the line up, in order.
  ///
  /// - Throws: ``SerialLinkError`` when the chip cannot do what is asked for.
  func setUp(_ settings: USBLineSettings) throws(SerialLinkError) -> [USBControl]

  /// Whether the line works without a request that the device does not know.
  func isOptional(_ request: USBControl) -> Bool

  /// The line's bytes out of what one transfer brought.
  func payload(of transfer: [UInt8]) -> USBPayload
}

/// What one transfer brought.
struct USBPayload: Hashable, Sendable {
  var bytes: [UInt8]
  var faults: USBLineFaults = []
}

/// What a chip noticed on the line.
struct USBLineFaults: OptionSet, Hashable, Sendable {
  var rawValue: UInt8

  /// Bytes came faster than the host took them, and some are lost.
  static let overrun = USBLineFaults(rawValue: 1)
  static let parity = USBLineFaults(rawValue: 2)
  /// A stop bit was missing: usually the wrong speed.
  static let framing = USBLineFaults(rawValue: 4)

  var words: String {
    var parts: [String] = []
    if contains(.overrun) { parts.append("bytes were lost because they came too fast (overrun)") }
    if contains(.framing) {
      parts.append("bytes were malformed (framing error): is the speed right?")
    }
    if contains(.parity) { parts.append("bytes had a wrong parity bit") }
    return parts.joined(separator: "; ")
  }
}

/// One serial port of a device.
struct USBChannel: Sendable {
  /// An index into ``USBAddress/channelNames``.
  var index: Int
  /// What has to be claimed.
  var interfaces: [USBInterface]
  var input: USBEndpoint
  var output: USBEndpoint
  var chip: any USBSerialChip
  /// What this port is for on a board that is known, else `nil`.
  var purpose: String?

  var name: String { USBAddress.channelNames[index] }

  /// The serial ports of a device, in the order of its interfaces; none when it has none that this
  /// module knows.
  static func all(of device: USBDevice) -> [USBChannel] {
    let ftdi = FTDIChip.channels(of: device)
    return ftdi.isEmpty ? CDCACMChip.channels(of: device) : ftdi
  }
}

extension USBInterface {
  /// Its bulk endpoints, when there is one in each direction with a sound packet size.
  var bulkPair: (input: USBEndpoint, output: USBEndpoint)? {
    // 512 is the most that bulk may have at high speed, 1024 at super speed.
    let bulk = endpoints.filter { $0.isBulk && 8...1024 ~= $0.packetSize }
    guard let input = bulk.first(where: \.isInput), let output = bulk.first(where: { !$0.isInput })
    else { return nil }
    return (input, output)
  }
}
