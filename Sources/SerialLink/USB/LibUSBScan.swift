// What is attached, read by libusb from the system's descriptors.

import CLibUSB

/// One enumeration, in a context of its own.
///
/// A context that lives on learns of new devices from udev alone; a new one looks for itself. So an
/// enumeration is right also where udev does not run.
enum LibUSBScan {
  static func devices() throws(SerialLinkError) -> [USBDevice] {
    var context: OpaquePointer?
    try LibUSB.call("start", "libusb") { libusb_init(&context) }
    guard let context else { return [] }
    defer { libusb_exit(context) }
    return try withList(of: context) { list in list.compactMap(describe) }
  }

  /// Opens the device with a number on a bus, if this context knows it.
  static func open(_ device: USBDevice, in context: OpaquePointer) throws(SerialLinkError)
    -> OpaquePointer?
  {
    let what = "usb:\(device.place)"
    return try withList(of: context) { list throws(SerialLinkError) in
      let match = list.first {
        Int(libusb_get_bus_number($0)) == device.place.bus
          && Int(libusb_get_device_address($0)) == device.number
      }
      guard let match else { return nil }
      var handle: OpaquePointer?
      try LibUSB.call("open", what) { libusb_open(match, &handle) }
      return handle
    }
  }

  /// Runs `body` with the context's devices, which are valid only in it.
  private static func withList<Result>(
    of context: OpaquePointer,
    _ body: ([OpaquePointer]) throws(SerialLinkError) -> Result
  ) throws(SerialLinkError) -> Result {
    var list: UnsafeMutablePointer<OpaquePointer?>?
    let count = try LibUSB.call("list", "the USB devices") {
      CInt(clamping: libusb_get_device_list(context, &list))
    }
    defer { libusb_free_device_list(list, 1) }
    return try body(UnsafeBufferPointer(start: list, count: count).compactMap(\.self))
  }

  // MARK: - Descriptors

  private static func describe(_ device: OpaquePointer) -> USBDevice? {
    var descriptor = libusb_device_descriptor()
    guard LibUSB.attempt({ libusb_get_device_descriptor(device, &descriptor) }) != nil else {
      return nil
    }
    var ports = [UInt8](repeating: 0, count: 7)
    let depth = LibUSB.attempt {
      libusb_get_port_numbers(device, &ports, CInt(ports.count))
    }
    let place = USBPlace(
      bus: Int(libusb_get_bus_number(device)), ports: ports.prefix(depth ?? 0).map(Int.init))
    var result = USBDevice(
      place: place, number: Int(libusb_get_device_address(device)), vendor: descriptor.idVendor,
      product: descriptor.idProduct, release: descriptor.bcdDevice,
      interfaces: interfaces(of: device))
    if let names = SysFS.names(at: place) ?? readNames(of: device, descriptor) {
      result.manufacturerName = names.manufacturer
      result.productName = names.product
      result.serial = names.serial
    }
    return result
  }

  private static func interfaces(of device: OpaquePointer) -> [USBInterface] {
    var pointer: UnsafeMutablePointer<libusb_config_descriptor>?
    guard LibUSB.attempt({ libusb_get_active_config_descriptor(device, &pointer) }) != nil,
      let pointer
    else { return [] }
    defer { libusb_free_config_descriptor(pointer) }
    let configuration = pointer.pointee
    return UnsafeBufferPointer(
      start: configuration.interface, count: Int(configuration.bNumInterfaces)
    ).flatMap { interface in
      UnsafeBufferPointer(
        start: interface.altsetting, count: max(0, Int(interface.num_altsetting))
      ).map(USBInterface.init)
    }
  }

  /// Asks the device itself, where the system does not keep the names.
  private static func readNames(
    of device: OpaquePointer, _ descriptor: libusb_device_descriptor
  ) -> USBNames? {
    var handle: OpaquePointer?
    guard LibUSB.attempt({ libusb_open(device, &handle) }) != nil, let handle else { return nil }
    defer { libusb_close(handle) }
    return USBNames(
      manufacturer: text(descriptor.iManufacturer, of: handle),
      product: text(descriptor.iProduct, of: handle),
      serial: text(descriptor.iSerialNumber, of: handle))
  }

  private static func text(_ index: UInt8, of handle: OpaquePointer) -> String? {
    guard index != 0 else { return nil }
    // A descriptor's length is a byte, and two of them are its head.
    var buffer = [UInt8](repeating: 0, count: 256)
    let length = LibUSB.attempt {
      libusb_get_string_descriptor_ascii(handle, index, &buffer, CInt(buffer.count))
    }
    return length.map { String(decoding: buffer.prefix($0), as: UTF8.self) }
  }
}

extension USBInterface {
  fileprivate init(_ descriptor: libusb_interface_descriptor) {
    self.init(
      number: Int(descriptor.bInterfaceNumber), alternate: Int(descriptor.bAlternateSetting),
      interfaceClass: descriptor.bInterfaceClass, interfaceSubclass: descriptor.bInterfaceSubClass,
      extra: Array(
        UnsafeBufferPointer(start: descriptor.extra, count: max(0, Int(descriptor.extra_length)))),
      endpoints: UnsafeBufferPointer(
        start: descriptor.endpoint, count: Int(descriptor.bNumEndpoints)
      ).map {
        USBEndpoint(
          address: $0.bEndpointAddress, attributes: $0.bmAttributes,
          packetSize: Int($0.wMaxPacketSize & 0x7FF))
      })
  }
}
