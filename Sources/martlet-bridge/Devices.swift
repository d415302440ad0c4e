// `martlet-bridge devices`: what is attached, and how to name it.

import ArgumentParser
import Foundation
import HostBridge
import SerialLink

struct Devices: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the USB serial adapters that are attached, with their addresses.",
    discussion: """
      One line for each serial port of each adapter that the bridge can drive itself: FTDI's chips \
      and CDC-ACM devices. The first column is what to write after 'martlet-bridge run --board'. \
      An adapter that a bridge uses is not disturbed.

      A port is free, or free with the system's driver giving way to the bridge, or in use, or the \
      reason is given why it cannot be opened, and what to do.

      Exits with 0 when at least one port can be opened or is in use, else with 1.
      """)

  @Flag(name: .long, help: "Print a JSON array of adapters instead.")
  var json = false

  func run() async throws {
    let adapters = try await USBAdapter.attached()
    if json {
      try printJSON(adapters)
    } else if adapters.isEmpty {
      print(Self.nothing)
    } else {
      printTable(adapters)
    }
    let ports = adapters.flatMap(\.channels)
    guard ports.contains(where: { $0.state.isUsable || $0.state == .inUse }) else {
      throw ExitCode(1)
    }
  }

  private static let nothing = """
    No USB serial adapter is attached that the bridge can drive itself (FTDI or CDC-ACM).
    Is the cable one for data, and is the board powered? 'lsusb' lists whatever is attached, and \
    'sudo dmesg' says what the system makes of it.
    An adapter of another kind, such as CP210x or CH340, works through the system's driver: \
    --board tty:/dev/ttyUSB0.
    """

  private func printJSON(_ adapters: [USBAdapter]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(adapters), as: UTF8.self))
  }

  private func printTable(_ adapters: [USBAdapter]) {
    // A device may say that its name is anything at all.
    var rows = [["ADDRESS", "PLACE", "ID", "PRODUCT", "SERIAL", "CHIP", "PORT", "STATE"]]
    for adapter in adapters {
      for channel in adapter.channels {
        rows.append([
          channel.address, adapter.place, "\(adapter.vendorID):\(adapter.productID)",
          TerminalText.field(adapter.product ?? "-"), TerminalText.field(adapter.serial ?? "-"),
          adapter.chip, channel.channel + (channel.purpose.map { " (\($0))" } ?? ""),
          channel.detail,
        ])
      }
    }
    for line in TextTable.lines(rows) { print(line) }
    let remedies = Set(adapters.flatMap(\.channels).compactMap(\.remedy))
    for remedy in remedies.sorted() { print("\n\(remedy)") }
    if adapters.flatMap(\.channels).contains(where: { $0.purpose?.hasPrefix("MT3620") == true }) {
      print(
        """

        None of an MT3620 board's own ports is the serial line of its M4F cores: that comes out on \
        a header and wants an adapter of its own.
        """)
    }
  }
}

struct PrintUdevRules: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "udev-rules",
    abstract: "Print udev rules that let you open the adapters without being root.",
    discussion: """
      Install them with
        martlet-bridge udev-rules | sudo tee \(UdevRules.path)
        sudo udevadm control --reload
        sudo udevadm trigger --subsystem-match=usb
      """)

  func run() { print(UdevRules.text, terminator: "") }
}
