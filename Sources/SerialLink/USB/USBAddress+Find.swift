// Which of the attached adapters an address means.

extension USBAddress {
  /// The device and the channel that the address names.
  ///
  /// - Throws: ``SerialLinkError``: `notThere` when none of `devices` fits, `ambiguous` when several
  ///   do, each time with the addresses that would do.
  func find(in devices: [USBDevice]) throws(SerialLinkError) -> (USBDevice, USBChannel) {
    let known = devices.map { ($0, USBChannel.all(of: $0)) }.filter { !$0.1.isEmpty }
    let matches = known.filter { device, _ in
      switch adapter {
      case .only: true
      case .serial(let serial): device.serial == serial
      case .place(let place): device.place == place
      }
    }
    let text = "\(BoardAddress.usb(self))"
    guard let (device, channels) = matches.first else {
      throw SerialLinkError(
        code: .notThere, message: "cannot open \(text): no such USB adapter is attached",
        remedy: known.isEmpty
          ? "There is none at all that this program knows; look at 'lsusb'."
          : "Attached: \(Self.list(known.map(\.0)))")
    }
    guard matches.count == 1 else {
      throw SerialLinkError(
        code: .ambiguous, message: "cannot open \(text): \(matches.count) adapters fit",
        remedy: "Name one: " + Self.list(matches.map(\.0), byPlace: adapter != .only))
    }
    let index = channel ?? channels.first?.index ?? 0
    guard let found = channels.first(where: { $0.index == index }) else {
      throw SerialLinkError(
        code: .notThere,
        message: "cannot open \(text): the adapter has no channel \(Self.channelNames[index])",
        remedy: "It has \(channels.map(\.name).joined(separator: ", ")).")
    }
    return (device, found)
  }

  private static func list(_ devices: [USBDevice], byPlace: Bool = false) -> String {
    devices.map { device in
      let address = USBAddress(byPlace ? .place(device.place) : device.adapter(among: devices))
      return "usb:\(address) (\(device.productName ?? device.identity))"
    }.joined(separator: ", ") + "."
  }
}

extension USBDevice {
  /// What names this device best: its serial number where no other one has it, else its place.
  func adapter(among devices: [USBDevice]) -> USBAddress.Adapter {
    guard let serial, !devices.contains(where: { $0.place != place && $0.serial == serial }) else {
      return .place(place)
    }
    return .serial(serial)
  }
}
