// FTDI's chips: divisors, requests, and the status in every packet.

import MartletTestKit
import Testing

@testable import SerialLink

@Suite struct FTDITests {
  /// By the rule of FTDI's application note AN232B-05.
  @Test(arguments: [
    (300, 0x2710), (600, 0x1388), (1_200, 0x09C4), (2_400, 0x04E2), (4_800, 0x0271),
    (9_600, 0x4138), (19_200, 0x809C), (38_400, 0xC04E), (57_600, 0xC034), (115_200, 0x001A),
    (230_400, 0x000D), (460_800, 0x4006), (921_600, 0x8003), (1_000_000, 3), (1_500_000, 2),
    (2_000_000, 1), (3_000_000, 0),
  ])
  func `a chip with the 3 MHz clock is told the nearest divisor`(
    baud: Int, value: UInt16
  ) throws {
    let divisor = try FTDIDivisor(baud: baud, model: .single, name: "FT232R")
    #expect(divisor.value == value)
    #expect(divisor.index(model: .single, port: 0) == 0)
    #expect(abs(divisor.actual - Double(baud)) <= Double(baud) * 0.01)
  }

  @Test(arguments: [
    (12_000_000, 0), (8_000_000, 1), (6_000_000, 2), (3_000_000, 4), (115_200, 0xC068),
    (9_600, 0x04E2), (1_200, 0x2710),
  ])
  func `a high-speed chip divides 12 MHz`(baud: Int, value: UInt16) throws {
    let divisor = try FTDIDivisor(baud: baud, model: .highSpeed, name: "FT4232H")
    #expect(divisor.value == value)
    #expect(divisor.index(model: .highSpeed, port: 3) == 0x0203)
  }

  @Test func `a high-speed chip uses the slow clock below 1200 baud`() throws {
    let divisor = try FTDIDivisor(baud: 300, model: .highSpeed, name: "FT2232H")
    #expect(divisor.value == 0x2710)
    #expect(divisor.index(model: .highSpeed, port: 2) == 2)
  }

  @Test func `the third bit of the eighths goes where there is room`() throws {
    // 3 MHz / 9.375: 3/8 has code 4.
    let divisor = try FTDIDivisor(baud: 320_000, model: .single, name: "FT232R")
    #expect(divisor.value == 9)
    #expect(divisor.index(model: .single, port: 0) == 1)
    #expect(divisor.index(model: .dual, port: 2) == 0x0102)
  }

  @Test func `every speed a chip takes comes out within 3 percent`() {
    for model in [FTDIChip.Model.single, .dual, .highSpeed] {
      for baud in stride(from: 300, through: 12_000_000, by: 7_919) {
        guard let divisor = try? FTDIDivisor(baud: baud, model: model, name: "chip") else {
          continue
        }
        let clock = divisor.encoded & 1 << 17 != 0 ? 12_000_000.0 : 3_000_000.0
        #expect(abs(clock / Self.decoded(divisor) / Double(baud) - 1) <= 0.03)
      }
    }
  }

  /// What a chip divides by, from the encoding.
  private static func decoded(_ divisor: FTDIDivisor) -> Double {
    let eighths = [0, 4, 2, 1, 3, 5, 6, 7][Int(divisor.encoded >> 14 & 7)]
    switch divisor.encoded & 0x1_FFFF {
    case 0: return 1
    case 1: return 1.5
    default: return Double(divisor.encoded & 0x3FFF) + Double(eighths) / 8
    }
  }

  @Test(arguments: [2_500_000, 4_000_000, 12_000_000])
  func `a speed that the chip cannot make is refused with the nearest`(baud: Int) {
    let error = #expect(throws: SerialLinkError.self) {
      try FTDIDivisor(baud: baud, model: .single, name: "FT232R")
    }
    #expect(error?.code == .cannotOpen)
    #expect(error?.remedy.contains("3000000") == true || error?.remedy.contains("2000000") == true)
  }

  @Test func `a single port is set up without a channel number`() throws {
    let channels = USBChannel.all(of: .ftdi())
    #expect(channels.map(\.name) == ["A"])
    let chip = try #require(channels.first?.chip)
    #expect(chip.name == "FT232R")
    let requests = try chip.setUp(USBLineSettings(baud: 115_200, latency: 2))
    #expect(requests.allSatisfy { $0.type == 0x40 && $0.data.isEmpty })
    #expect(requests.map(\.request) == [0, 4, 2, 3, 9, 6, 1, 1])
    #expect(requests.map(\.value) == [0, 8, 0, 0x1A, 2, 0x100, 0x101, 0x202])
    #expect(requests.allSatisfy { $0.index == 0 })
  }

  @Test func `a port of several has its number in every request`() throws {
    let device = USBDevice.ftdi(
      product: 0x6011, release: 0x0800, channels: 4, packetSize: 512,
      name: "MSFT MT3620 Std Interface")
    let channels = USBChannel.all(of: device)
    #expect(channels.map(\.name) == ["A", "B", "C", "D"])
    #expect(channels.map(\.output.address) == [2, 4, 6, 8])
    #expect(channels.first?.purpose == "MT3620 debug UART")
    let chip = try #require(channels.last?.chip)
    let requests = try chip.setUp(USBLineSettings(baud: 3_000_000, flow: .rtscts))
    #expect(requests.map(\.index) == [4, 4, 0x0104, 0x0204, 4, 4, 4, 4])
  }

  @Test func `status is taken out of every packet and not only the first`() {
    let chip = FTDIChip(name: "FT232R", model: .single, port: 0, packetSize: 4)
    let payload = chip.payload(of: [1, 0x60, 10, 11, 1, 0x60, 12, 13, 1, 0x60, 14])
    #expect(payload == USBPayload(bytes: [10, 11, 12, 13, 14]))
    #expect(chip.payload(of: [1, 0x60]).bytes.isEmpty)
  }

  @Test func `errors of the line are told apart`() {
    let chip = FTDIChip(name: "FT232R", model: .single, port: 0, packetSize: 64)
    #expect(chip.payload(of: [1, 0x62, 9]).faults == .overrun)
    #expect(chip.payload(of: [1, 0x6C, 9]).faults == [.parity, .framing])
    #expect(chip.payload(of: [1, 0x60, 9]).faults.isEmpty)
    #expect(USBLineFaults.overrun.words.contains("lost"))
  }

  @Test func `packets of any size and content are split as another way does it`() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      let size = Int.random(in: 0...1_024, using: &generator)
      let transfer = generator.bytes(Int.random(in: 0...5_000, using: &generator))
      let chip = FTDIChip(name: "", model: .single, port: 0, packetSize: size)
      // Byte by byte: a byte's place in its packet says what it is.
      let step = max(3, size)
      let expected = transfer.enumerated().filter { $0.offset % step >= 2 }.map(\.element)
      #expect(chip.payload(of: transfer).bytes == expected, "seed \(seed)")
    }
  }
}

@Suite struct CDCACMTests {
  @Test func `the data interface is the one that the union names`() throws {
    let channels = USBChannel.all(of: .cdc(data: 4))
    let channel = try #require(channels.first)
    #expect(channel.interfaces.map(\.number) == [0, 4])
    #expect(channel.input.address == 0x81)
    #expect(channel.output.address == 0x02)
  }

  @Test func `the line is set up by the class's requests`() throws {
    let chip = try #require(USBChannel.all(of: .cdc()).first?.chip)
    let requests = try chip.setUp(USBLineSettings(baud: 115_200))
    #expect(
      requests == [
        USBControl(
          type: 0x21, request: 0x20, value: 0, index: 0, data: [0, 0xC2, 1, 0, 0, 0, 8]),
        USBControl(type: 0x21, request: 0x22, value: 3, index: 0),
      ])
    #expect(chip.payload(of: [1, 2, 3]).bytes == [1, 2, 3])
  }

  @Test func `a device that knows no line coding is left alone`() throws {
    let chip = try #require(USBChannel.all(of: .cdc(capabilities: 0)).first?.chip)
    #expect(try chip.setUp(USBLineSettings()).isEmpty)
  }

  @Test func `flow control is refused because the class has none`() throws {
    let chip = try #require(USBChannel.all(of: .cdc()).first?.chip)
    #expect(throws: SerialLinkError.self) { try chip.setUp(USBLineSettings(flow: .rtscts)) }
  }

  @Test func `descriptors of random bytes are read without harm`() {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<5_000 {
      let bytes = generator.bytes(Int.random(in: 0...64, using: &generator))
      let found = CDCDescriptors(bytes)
      #expect(found.dataInterface.map { 0...255 ~= $0 } ?? true, "seed \(seed)")
      // What follows a descriptor without an end is not read.
      #expect(CDCDescriptors([1] + bytes) == CDCDescriptors([]), "seed \(seed)")
    }
  }

  @Test func `a device without bulk endpoints has no channels`() {
    var device = USBDevice.cdc()
    device.interfaces.removeLast()
    #expect(USBChannel.all(of: device).isEmpty)
    var chip = USBDevice.ftdi(packetSize: 0)
    #expect(USBChannel.all(of: chip).isEmpty)
    chip.product = 0x6FFF
    #expect(USBChannel.all(of: chip).isEmpty)
  }
}
