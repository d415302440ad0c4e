// What people are told about the adapters that are attached.

import Foundation
import Testing

@testable import SerialLink

@Suite struct USBInventoryTests {
  let bus = FakeUSBBus()
  let place = USBPlace(bus: 1, ports: [2])

  @Test func `each channel has its address`() async throws {
    bus.attach(FakeAdapter(.ftdi(product: 0x6011, release: 0x0800, channels: 4)))
    let adapters = try await USBAdapter.attached(to: bus)
    #expect(
      adapters.first?.channels.map(\.address) == [
        "usb:MRT0001/A", "usb:MRT0001/B", "usb:MRT0001/C", "usb:MRT0001/D",
      ])
    #expect(adapters.first?.chip == "FT4232H")
    #expect(adapters.first?.place == "1-2")
    #expect(adapters.first?.channels.allSatisfy { $0.state == .free } == true)
    #expect(bus.usage == USBUsage())
  }

  @Test func `adapters without a serial number of their own are named by place`() async throws {
    bus.attach(FakeAdapter(.ftdi(serial: "SAME")))
    bus.attach(FakeAdapter(.ftdi(serial: "SAME", place: USBPlace(bus: 1, ports: [3]))))
    bus.attach(FakeAdapter(.ftdi(serial: nil, place: USBPlace(bus: 1, ports: [10]))))
    let adapters = try await USBAdapter.attached(to: bus)
    #expect(adapters.flatMap(\.channels).map(\.address) == ["usb:1-2", "usb:1-3", "usb:1-10"])
  }

  @Test func `why a device cannot be opened comes with what to do`() async throws {
    bus.attach(FakeAdapter(.ftdi()))
    bus.refuse(
      place,
      with: SerialLinkError(
        code: .notPermitted, message: "no", remedy: SerialLinkError.usbPermissionRemedy))
    let channel = try await USBAdapter.attached(to: bus).first?.channels.first
    #expect(channel?.state == .notPermitted)
    #expect(channel?.remedy?.contains("udev-rules") == true)
  }

  @Test func `a device that a bridge uses is not opened`() async throws {
    bus.attach(FakeAdapter(.ftdi()))
    bus.hold(place, by: .program)
    bus.refuse(place, with: SerialLinkError(code: .cannotOpen, message: "it was opened"))
    let channel = try await USBAdapter.attached(to: bus).first?.channels.first
    #expect(channel?.state == .inUse)
    #expect(channel?.detail.contains("in use") == true)
  }

  @Test func `the system's driver and its port are named`() async throws {
    bus.attach(FakeAdapter(.ftdi()))
    bus.hold(place, by: .driver("ftdi_sio", port: "/dev/ttyUSB0"))
    let channel = try await USBAdapter.attached(to: bus).first?.channels.first
    #expect(channel?.state == .systemDriver)
    #expect(channel?.detail.contains("ftdi_sio (/dev/ttyUSB0)") == true)
  }

  @Test func `a mouse is not listed`() async throws {
    var mouse = USBDevice.ftdi()
    mouse.vendor = 0x046D
    bus.attach(FakeAdapter(mouse))
    #expect(try await USBAdapter.attached(to: bus).isEmpty)
  }

  @Test func `the rules name every product and the class, each in a line of its own`() {
    let rules = UdevRules.text.split(separator: "\n").filter { $0.hasPrefix("SUBSYSTEM") }
    for product in FTDIChip.products {
      let rule = rules.first { $0.contains(USBDevice.hex(product)) }
      #expect(rule?.contains("TAG+=\"uaccess\"") == true)
      #expect(rule?.contains("GROUP=\"plugdev\"") == true)
      #expect(rule?.contains("MODE=\"0660\"") == true)
    }
    #expect(rules.contains { $0.contains("*:0202??:*") && $0.contains("uaccess") })
  }
}
