// Where a board is on USB: which adapter, which of its channels, and how its line is set up.

import Foundation

/// The part of a ``BoardAddress`` after `usb:`.
///
/// Written `<adapter>/<channel>?<settings>`, each part of which may be missing:
/// - the adapter's serial number, or its place as sysfs and `lsusb -t` have it (`1-2.4`: bus 1, port
///   2, port 4 of the hub there), or nothing for the only adapter that is attached. In a serial
///   number `/`, `?`, `%`, blanks and what is not ASCII are written as `%` and two hex digits; so is
///   the dash of one that reads like a place.
/// - the channel, `A` to `D`: the adapter's serial ports in the order of its interfaces.
/// - `baud=115200`, `flow=none` or `flow=rtscts`, `latency=16`, joined by `&`.
public struct USBAddress: Hashable, Sendable {
  /// Which adapter.
  public enum Adapter: Hashable, Sendable {
    /// The only one that is attached.
    case only
    /// The one with this serial number, wherever it is plugged in.
    case serial(String)
    /// The one that is plugged in here.
    case place(USBPlace)
  }

  /// The names of channels, in the order of the adapter's interfaces.
  public static let channelNames = ["A", "B", "C", "D"]

  public var adapter: Adapter
  /// An index into ``channelNames``; `nil` for the first that the adapter has.
  public var channel: Int?
  public var settings: USBLineSettings

  public init(
    _ adapter: Adapter, channel: Int? = nil, settings: USBLineSettings = USBLineSettings()
  ) {
    self.adapter = adapter
    self.channel = channel
    self.settings = settings
  }
}

/// A place where something can be plugged in: a bus and the ports on the way.
public struct USBPlace: Hashable, Sendable, CustomStringConvertible {
  public var bus: Int
  /// From the root hub on; at most 7 deep (USB 2.0, 4.1.1). Empty for a root hub itself.
  public var ports: [Int]

  public init(bus: Int, ports: [Int]) {
    self.bus = bus
    self.ports = ports
  }

  /// Reads what ``description`` writes, and nothing else.
  init?(_ text: Substring) {
    let halves = text.split(separator: "-", omittingEmptySubsequences: false)
    guard halves.count == 2, let bus = Self.number(halves[0]) else { return nil }
    let ports = halves[1].split(separator: ".", omittingEmptySubsequences: false)
      .map(Self.number)
    guard ports.count <= 7 else { return nil }
    self.init(bus: bus, ports: ports.compactMap(\.self))
    guard self.ports.count == ports.count else { return nil }
  }

  private static func number(_ text: Substring) -> Int? {
    guard text.allSatisfy(\.isASCII), text.first != "0", let value = UInt8(text) else { return nil }
    return text.first == "+" ? nil : Int(value)
  }

  public var description: String {
    "\(bus)-\(ports.map(String.init).joined(separator: "."))"
  }
}

// MARK: - Read

extension USBAddress {
  /// - Parameters:
  ///   - rest: what follows `usb:`.
  ///   - text: the whole address, for words about it.
  init(_ rest: String, in text: String) throws(SerialLinkError) {
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let target = (parts.first ?? "").split(
      separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    self.init(try Self.adapter(target.first ?? "", in: text))
    if target.count == 2 {
      guard let index = Self.channelNames.firstIndex(of: target[1].uppercased()) else {
        throw .invalidAddress(
          text, "'\(target[1])' is not a channel",
          "Write a channel from A to D, as in usb:\(target[0])/A.")
      }
      channel = index
    }
    guard parts.count == 2 else { return }
    for option in parts[1].split(separator: "&", omittingEmptySubsequences: false) {
      try apply(option, in: text)
    }
  }

  private static func adapter(
    _ written: Substring, in text: String
  ) throws(SerialLinkError) -> Adapter {
    if written.isEmpty { return .only }
    if let place = USBPlace(written) { return .place(place) }
    guard let serial = written.removingPercentEncoding, !serial.isEmpty else {
      throw .invalidAddress(
        text, "a % in a serial number wants two hex digits after it",
        "Copy the address that 'martlet-bridge devices' shows.")
    }
    return .serial(serial)
  }

  private mutating func apply(
    _ option: Substring, in text: String
  ) throws(SerialLinkError) {
    let halves = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let value = halves.count == 2 ? String(halves[1]) : ""
    switch halves.first {
    case "baud":
      guard let baud = Int(value), USBLineSettings.speeds ~= baud else {
        throw .invalidAddress(
          text, "'\(value)' is not a line speed",
          "Write baud= and a number from \(USBLineSettings.speeds.lowerBound) to "
            + "\(USBLineSettings.speeds.upperBound), as in baud=3000000.")
      }
      settings.baud = baud
    case "flow":
      guard let flow = USBLineSettings.FlowControl(rawValue: value) else {
        throw .invalidAddress(
          text, "'\(value)' is no flow control", "Write flow=none or flow=rtscts.")
      }
      settings.flow = flow
    case "latency":
      guard let latency = Int(value), USBLineSettings.latencies ~= latency else {
        throw .invalidAddress(
          text, "'\(value)' is no latency in milliseconds",
          "Write latency= and a number from 1 to 255.")
      }
      settings.latency = latency
    default:
      throw .invalidAddress(
        text, "'\(option)' is no setting of a USB line",
        "After the question mark write baud=<number>, flow=none, flow=rtscts or "
          + "latency=<milliseconds>, joined by &.")
    }
  }
}

// MARK: - Write

extension USBAddress: CustomStringConvertible {
  /// What follows `usb:`; settings only where they differ from the usual ones.
  public var description: String {
    let standard = USBLineSettings()
    var options: [String] = []
    if settings.baud != standard.baud { options.append("baud=\(settings.baud)") }
    if settings.flow != standard.flow { options.append("flow=\(settings.flow.rawValue)") }
    if settings.latency != standard.latency { options.append("latency=\(settings.latency)") }
    let channel = channel.flatMap { index in
      Self.channelNames.indices.contains(index) ? "/" + Self.channelNames[index] : nil
    }
    return adapter.description + (channel ?? "")
      + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
  }
}

extension USBAddress.Adapter: CustomStringConvertible {
  public var description: String {
    switch self {
    case .only: ""
    case .place(let place): "\(place)"
    case .serial(let serial): Self.escaped(serial, dashes: USBPlace(serial[...]) != nil)
    }
  }

  private static func escaped(_ serial: String, dashes: Bool) -> String {
    serial.utf8.map { byte in
      let character = Character(Unicode.Scalar(byte))
      let isPlain = 0x21...0x7E ~= byte && !"/?%".contains(character)
      if isPlain && !(dashes && character == "-") { return String(character) }
      return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }.joined()
  }
}
