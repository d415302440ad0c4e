// How USB adapters are named, and which of those attached an address means.

import MartletTestKit
import Testing

@testable import SerialLink

@Suite struct USBAddressTests {
  @Test(arguments: [
    ("usb:", USBAddress(.only)),
    ("usb:A10K2Z9X", USBAddress(.serial("A10K2Z9X"))),
    ("usb:A10K2Z9X/B", USBAddress(.serial("A10K2Z9X"), channel: 1)),
    ("usb:1-2.4", USBAddress(.place(USBPlace(bus: 1, ports: [2, 4])))),
    ("usb:1-2/D", USBAddress(.place(USBPlace(bus: 1, ports: [2])), channel: 3)),
    ("usb:1%2D2", USBAddress(.serial("1-2"))),
    ("usb:a%2Fb%20%C3%A9", USBAddress(.serial("a/b \u{E9}"))),
    ("usb:1-0000:00:04.0-1", USBAddress(.serial("1-0000:00:04.0-1"))),
    (
      "usb:X?baud=3000000&flow=rtscts&latency=1",
      USBAddress(
        .serial("X"), settings: USBLineSettings(baud: 3_000_000, flow: .rtscts, latency: 1))
    ),
    ("usb:?baud=9600", USBAddress(.only, settings: USBLineSettings(baud: 9_600))),
  ])
  func `an address is read and written`(text: String, address: USBAddress) throws {
    #expect(try BoardAddress(parsing: text) == .usb(address))
    #expect("\(BoardAddress.usb(address))" == text)
  }

  @Test(arguments: [
    ("usb:X?baud=115200&flow=none&latency=16", "usb:X"), ("usb:X/a", "usb:X/A"),
    ("usb:01-2", "usb:01-2"), ("usb:1-2.", "usb:1-2."), ("usb:+1-2", "usb:+1-2"),
  ])
  func `what is usual, or only looks like a place, is written plainly`(
    text: String, written: String
  ) throws {
    #expect("\(try BoardAddress(parsing: text))" == written)
    #expect(try BoardAddress(parsing: written) == BoardAddress(parsing: text))
  }

  @Test(arguments: [
    ("usb:X/E", "A to D"), ("usb:X/", "A to D"), ("usb:X/A/B", "A to D"), ("usb:%4", "devices"),
    ("usb:%FF", "devices"), ("usb:X?baud=0", "baud="), ("usb:X?baud=12000001", "baud="),
    ("usb:X?baud", "baud="), ("usb:X?flow=xon", "flow=none"), ("usb:X?latency=0", "1 to 255"),
    ("usb:X?latency=256", "1 to 255"), ("usb:X?", "baud="), ("usb:X?speed=1", "baud="),
  ])
  func `what is no address says what to write`(text: String, hint: String) {
    let error = #expect(throws: SerialLinkError.self) { try BoardAddress(parsing: text) }
    #expect(error?.code == .invalidAddress)
    #expect(error?.remedy.contains(hint) == true)
  }

  @Test func `every address that can be made reads back as itself`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      var address = USBAddress(.serial(Self.serial(&generator)))
      if Bool.random(using: &generator) {
        address.channel = Int.random(in: 0...3, using: &generator)
      }
      address.settings.baud = Int.random(in: USBLineSettings.speeds, using: &generator)
      address.settings.latency = Int.random(in: 1...255, using: &generator)
      let text = "\(BoardAddress.usb(address))"
      #expect(try BoardAddress(parsing: text) == .usb(address), "seed \(seed)")
    }
  }

  private static func serial(_ generator: inout SeededGenerator) -> String {
    let letters = Array("0123456789-./?%&=: Aa\u{E9}\u{1F426}")
    let count = Int.random(in: 1...8, using: &generator)
    return String(
      (0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
  }

  // MARK: - Which one is meant

  private static let first = USBDevice.ftdi(serial: "ONE", place: USBPlace(bus: 1, ports: [2]))
  private static let second = USBDevice.ftdi(
    serial: "TWO", place: USBPlace(bus: 1, ports: [3, 1]), product: 0x6010, release: 0x0700,
    channels: 2)

  private static func find(
    _ text: String, in devices: [USBDevice]
  ) throws -> (USBDevice, USBChannel) {
    guard case .usb(let address) = try BoardAddress(parsing: text) else {
      throw SerialLinkError(code: .invalidAddress, message: text)
    }
    return try address.find(in: devices)
  }

  @Test func `an adapter is found by serial number, by place and as the only one`() throws {
    let both = [Self.first, Self.second]
    #expect(try Self.find("usb:TWO", in: both).0 == Self.second)
    #expect(try Self.find("usb:TWO/B", in: both).1.name == "B")
    #expect(try Self.find("usb:1-2", in: both).0 == Self.first)
    #expect(try Self.find("usb:1-3.1", in: both).1.name == "A")
    #expect(try Self.find("usb:", in: [Self.second]).0 == Self.second)
  }

  @Test func `a device of another kind is not counted`() throws {
    var mouse = USBDevice.ftdi(serial: "MOUSE", place: USBPlace(bus: 2, ports: [1]))
    mouse.vendor = 0x046D
    #expect(try Self.find("usb:", in: [mouse, Self.first]).0 == Self.first)
  }

  @Test func `the only one of several is refused with what to write`() {
    let error = #expect(throws: SerialLinkError.self) {
      try Self.find("usb:", in: [Self.first, Self.second])
    }
    #expect(error?.code == .ambiguous)
    #expect(error?.remedy.contains("usb:ONE") == true)
    #expect(error?.remedy.contains("usb:TWO") == true)
  }

  @Test func `adapters with one serial number are told apart by place`() {
    var twin = Self.first
    twin.place = USBPlace(bus: 3, ports: [1])
    let error = #expect(throws: SerialLinkError.self) {
      try Self.find("usb:ONE", in: [Self.first, twin])
    }
    #expect(error?.code == .ambiguous)
    #expect(error?.remedy.contains("usb:1-2") == true)
    #expect(error?.remedy.contains("usb:3-1") == true)
  }

  @Test func `one that is not there names those that are`() {
    let error = #expect(throws: SerialLinkError.self) { try Self.find("usb:X", in: [Self.first]) }
    #expect(error?.code == .notThere)
    #expect(error?.remedy.contains("usb:ONE") == true)
    let none = #expect(throws: SerialLinkError.self) { try Self.find("usb:", in: []) }
    #expect(none?.code == .notThere)
  }

  @Test func `a channel that the adapter has not names those that it has`() {
    let error = #expect(throws: SerialLinkError.self) {
      try Self.find("usb:TWO/C", in: [Self.second])
    }
    #expect(error?.remedy.contains("A, B") == true)
  }
}
