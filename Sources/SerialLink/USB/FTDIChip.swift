// FTDI's serial chips: which ports they have, and the vendor requests that set one up.

/// One port of an FTDI chip.
///
/// Requests and their numbers: FTDI application notes AN232B-03 to -05 and AN_120, and the FT232BM's
/// description in Linux (drivers/usb/serial/ftdi_sio.h).
///
/// The chip sends what it has when a packet is full, when the latency timer runs out, and when it
/// meets the event character. That is set to zero here, which ends every frame of the link, so that
/// a frame is delivered at once however slow the timer is (AN232B-04, 3.3).
struct FTDIChip: USBSerialChip {
  /// The families whose clocks and numbering of ports differ.
  enum Model: Hashable, Sendable {
    /// FT232BM, FT232R and FT-X: 3 MHz, one port.
    case single
    /// FT2232C and D: 3 MHz, two ports.
    case dual
    /// FT232H, FT2232H and FT4232H: 12 MHz.
    case highSpeed
  }

  static let vendor: UInt16 = 0x0403
  /// Product numbers as FTDI gives them out: FT232B and R, FT2232, FT4232H, FT232H, FT-X.
  static let products: [UInt16] = [0x6001, 0x6010, 0x6011, 0x6014, 0x6015]

  let name: String
  let model: Model
  /// wIndex of requests to this port: 0 where the chip has one, else counted from 1.
  let port: UInt16
  /// Bytes in a packet, of which the first two are not data.
  let packetSize: Int

  static func channels(of device: USBDevice) -> [USBChannel] {
    guard device.vendor == vendor, products.contains(device.product) else { return [] }
    let (name, model) = identify(device)
    let interfaces = device.interfaces.filter { $0.alternate == 0 && $0.bulkPair != nil }
    return interfaces.prefix(USBAddress.channelNames.count).enumerated().compactMap {
      index, interface in
      guard let pair = interface.bulkPair else { return nil }
      let port = interfaces.count > 1 ? UInt16(truncatingIfNeeded: interface.number + 1) : 0
      return USBChannel(
        index: index, interfaces: [interface], input: pair.input, output: pair.output,
        chip: FTDIChip(name: name, model: model, port: port, packetSize: pair.input.packetSize),
        purpose: purpose(of: index, on: device))
    }
  }

  /// bcdDevice tells the chips apart; the product number alone does not.
  private static func identify(_ device: USBDevice) -> (String, Model) {
    switch device.release {
    case 0x0500: ("FT2232C", .dual)
    case 0x0600: ("FT232R", .single)
    case 0x0700: ("FT2232H", .highSpeed)
    case 0x0800: ("FT4232H", .highSpeed)
    case 0x0900: ("FT232H", .highSpeed)
    case 0x1000: ("FT-X", .single)
    default: ("FT232B", .single)
    }
  }

  /// The MT3620 reference design's chip: none of its ports is the UART of the M4F cores, which comes
  /// out on a header and wants an adapter of its own.
  private static func purpose(of index: Int, on device: USBDevice) -> String? {
    guard device.productName == "MSFT MT3620 Std Interface" else { return nil }
    let purposes = ["debug UART", "SWD", "service UART", "recovery UART"]
    return purposes.indices.contains(index) ? "MT3620 " + purposes[index] : nil
  }

  // MARK: - Requests

  private enum Request: UInt8 {
    case reset = 0
    case modemControl = 1
    case flowControl = 2
    case baud = 3
    case data = 4
    case eventCharacter = 6
    case latency = 9
  }

  private func request(_ request: Request, _ value: UInt16, index high: UInt16 = 0) -> USBControl {
    USBControl(type: 0x40, request: request.rawValue, value: value, index: high | port)
  }

  func setUp(_ settings: USBLineSettings) throws(SerialLinkError) -> [USBControl] {
    let divisor = try FTDIDivisor(baud: settings.baud, model: model, name: name)
    return [
      request(.reset, 0),
      // 8 data bits, no parity, one stop bit.
      request(.data, 8),
      request(.flowControl, 0, index: settings.flow == .rtscts ? 0x0100 : 0),
      USBControl(
        type: 0x40, request: Request.baud.rawValue, value: divisor.value,
        index: divisor.index(model: model, port: port)),
      request(.latency, UInt16(clamping: settings.latency)),
      // Bit 8 switches it on.
      request(.eventCharacter, 0x0100),
      // DTR and RTS, each with the bit that says it is meant; as the system does on opening a port.
      request(.modemControl, 0x0101),
      request(.modemControl, 0x0202),
    ]
  }

  func isOptional(_ control: USBControl) -> Bool {
    // Without them data only comes later; clones and emulators know less than the chip.
    [Request.latency.rawValue, Request.eventCharacter.rawValue].contains(control.request)
  }

  // MARK: - Packets

  /// Every packet begins with two bytes of status; a transfer is packets end to end, all but the
  /// last full.
  func payload(of transfer: [UInt8]) -> USBPayload {
    var payload = USBPayload(bytes: [])
    payload.bytes.reserveCapacity(transfer.count)
    var start = 0
    while start < transfer.count {
      let end = min(start + max(packetSize, Self.statusLength + 1), transfer.count)
      if end - start >= Self.statusLength {
        payload.faults.formUnion(Self.faults(lineStatus: transfer[start + 1]))
        payload.bytes += transfer[(start + Self.statusLength)..<end]
      }
      start = end
    }
    return payload
  }

  private static let statusLength = 2

  /// The second status byte is the 16550's line status register.
  private static func faults(lineStatus: UInt8) -> USBLineFaults {
    var faults: USBLineFaults = []
    if lineStatus & 0x02 != 0 { faults.insert(.overrun) }
    if lineStatus & 0x04 != 0 { faults.insert(.parity) }
    if lineStatus & 0x08 != 0 { faults.insert(.framing) }
    return faults
  }
}
