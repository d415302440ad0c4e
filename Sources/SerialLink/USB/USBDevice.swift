// What is known of a USB device without talking to it: its place, its names and its descriptors.

/// A device on the bus, as one enumeration saw it.
struct USBDevice: Hashable, Sendable {
  var place: USBPlace
  /// The number that the bus gave it; plugged in again it has another.
  var number: Int
  var vendor: UInt16
  var product: UInt16
  /// bcdDevice, which tells FTDI's chips apart.
  var release: UInt16
  var manufacturerName: String?
  var productName: String?
  var serial: String?
  /// Of the active configuration, in its order, every alternate setting by itself.
  var interfaces: [USBInterface]

  /// The vendor's and the product's number as people write them.
  var identity: String { "\(Self.hex(vendor)):\(Self.hex(product))" }

  static func hex(_ number: UInt16) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// One alternate setting of an interface.
struct USBInterface: Hashable, Sendable {
  var number: Int
  var alternate: Int
  var interfaceClass: UInt8
  var interfaceSubclass: UInt8
  /// Class-specific descriptors that follow the interface's own.
  var extra: [UInt8]
  var endpoints: [USBEndpoint]
}

struct USBEndpoint: Hashable, Sendable {
  /// Bit 7 is set for one that sends to the host.
  var address: UInt8
  /// Bits 1:0 of bmAttributes are 2 for bulk.
  var attributes: UInt8
  /// Bytes in a packet: 64 at full speed, 512 at high speed.
  var packetSize: Int

  var isBulk: Bool { attributes & 3 == 2 }
  var isInput: Bool { address & 0x80 != 0 }
}
