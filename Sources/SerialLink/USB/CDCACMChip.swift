// CDC-ACM: the standard class for serial ports on USB, whoever made the device.

/// One port of a CDC-ACM device: a control interface and a data interface (USB CDC 1.2, PSTN 1.2).
struct CDCACMChip: USBSerialChip {
  let name = "CDC-ACM"
  /// The number of the control interface, which requests name.
  let control: UInt16
  /// Whether the device says that it knows line coding and control lines.
  let hasLineControl: Bool

  /// bInterfaceClass and -Subclass of the control interface, and the class of the data interface.
  static let controlClass: UInt8 = 0x02
  static let controlSubclass: UInt8 = 0x02
  static let dataClass: UInt8 = 0x0A

  static func channels(of device: USBDevice) -> [USBChannel] {
    let controls = device.interfaces.filter {
      $0.interfaceClass == controlClass && $0.interfaceSubclass == controlSubclass
        && $0.alternate == 0
    }
    let channels = controls.compactMap { control -> USBChannel? in
      let functions = CDCDescriptors(control.extra)
      let number = functions.dataInterface ?? control.number + 1
      let data = device.interfaces.first {
        $0.number == number && $0.interfaceClass == dataClass && $0.bulkPair != nil
      }
      guard let data, let pair = data.bulkPair else { return nil }
      return USBChannel(
        index: 0, interfaces: [control, data], input: pair.input, output: pair.output,
        chip: CDCACMChip(
          control: UInt16(truncatingIfNeeded: control.number),
          hasLineControl: functions.hasLineControl))
    }
    return channels.prefix(USBAddress.channelNames.count).enumerated().map { index, channel in
      var channel = channel
      channel.index = index
      return channel
    }
  }

  func setUp(_ settings: USBLineSettings) throws(SerialLinkError) -> [USBControl] {
    guard settings.flow == .none else {
      throw SerialLinkError(
        code: .cannotOpen, message: "a CDC-ACM device has no request for flow control",
        remedy: "Leave flow=rtscts out of the address.")
    }
    guard hasLineControl else { return [] }
    let baud = UInt32(clamping: settings.baud)
    let coding = (0..<4).map { UInt8(truncatingIfNeeded: baud >> ($0 * 8)) } + [0, 0, 8]
    return [
      // SET_LINE_CODING: speed, 1 stop bit, no parity, 8 data bits.
      USBControl(type: 0x21, request: 0x20, value: 0, index: control, data: coding),
      // SET_CONTROL_LINE_STATE: DTR and RTS. Many devices send nothing before they see DTR.
      USBControl(type: 0x21, request: 0x22, value: 3, index: control),
    ]
  }

  /// Devices without a UART behind them often know neither request.
  func isOptional(_ request: USBControl) -> Bool { true }

  func payload(of transfer: [UInt8]) -> USBPayload { USBPayload(bytes: transfer) }
}

/// The functional descriptors behind a control interface (USB CDC 1.2, 5.2.3).
struct CDCDescriptors: Hashable, Sendable {
  /// The first subordinate interface that the union descriptor names.
  private(set) var dataInterface: Int?
  /// Bit 1 of bmCapabilities; taken to be set when the device does not say.
  private(set) var hasLineControl = true

  init(_ bytes: [UInt8]) {
    var rest = bytes[...]
    // bLength, bDescriptorType (0x24: of an interface's class), bDescriptorSubtype, then the fields.
    while let length = rest.first.map(Int.init), length >= 3, length <= rest.count {
      let descriptor = Array(rest.prefix(length))
      rest = rest.dropFirst(length)
      guard descriptor[1] == 0x24 else { continue }
      switch descriptor[2] {
      case 0x02 where length >= 4: hasLineControl = descriptor[3] & 2 != 0
      case 0x06 where length >= 5: dataInterface = dataInterface ?? Int(descriptor[4])
      default: break
      }
    }
  }
}
