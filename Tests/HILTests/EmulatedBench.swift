// The bench that every test run has: boards in one emulator each, the bridge in another with Linux.

import Foundation
import MartletBenchKit
import MartletTestKit
import ServiceAPI
import Synchronization

/// Boards in QEMU behind emulated FTDI adapters, which are plugged into a ``Guest`` that runs the bridge.
///
/// A proxy stands on the line between board and adapter: it loses what a board sends while it is
/// unplugged, and stops a transfer at a byte that the scenario names.
final class EmulatedBench: Bench {
  let desk: Desk
  let serials = ["MRT0001", "MRT0002"]
  var events: EventLog { guest.events }
  private let guest: Guest
  private let boards: [String: EmulatedPlace]
  private let logs: URL
  private let bridge = Mutex<String?>(nil)

  /// Bytes behind the HELLO of a boot with a dump at which a transfer is under way, and far from done:
  /// consent and offer take less, a dump takes 4 KiB at least.
  private static let middle = 2500

  /// Boots everything and plugs the boards in.
  init(in folder: TemporaryDirectory, logs: URL) throws {
    self.logs = logs
    desk = try Desk(in: folder)
    try desk.startService()
    guest = try Guest(kit: Self.kit, in: folder, logs: logs)
    let firmware = try Programs.firmware()
    boards = try Dictionary(
      uniqueKeysWithValues: serials.map {
        ($0, try EmulatedPlace($0, firmware: firmware, in: folder))
      })
    for serial in serials { try plug(serial) }
  }

  /// Where scripts/hil leaves kernel and initramfs.
  static let kit =
    ProcessInfo.processInfo.environment["MARTLET_HIL"].map { URL(fileURLWithPath: $0) }
    ?? Programs.package.appendingPathComponent(".build/hil")

  func close() {
    guest.close()
    for (serial, board) in boards {
      board.close()
      // What could not be written is no reason to fail: the events have most of it.
      try? board.proxy.current.text.write(
        to: logs.appendingPathComponent("\(serial).log"), atomically: false, encoding: .utf8)
    }
    desk.close()
  }

  // MARK: - The bridge

  /// What the guest's bridge logs in with; its way to the service is inside of this machine.
  private var login: String { "MARTLET_TOKEN=\(desk.bridgeToken)" }

  func provision(_ serial: String) throws -> String {
    let text = try guest.run(
      """
      \(login) martlet-bridge provision --board \(address(of: serial)) --service \
      http://10.0.2.2:\(desk.port) --catalog bench --output json 2>>$log
      """)
    return try JSONDecoder().decode(ProvisionedIdentity.self, from: Data(text.utf8)).deviceId
  }

  func startBridge(for serials: [String]) throws {
    let boards = serials.map { "--board \(address(of: $0))" }.joined(separator: " ")
    // The new line ends what a bridge that was killed may have left half written.
    let identifier = try guest.run(
      """
      echo >$events; \(login) martlet-bridge run \(boards) --service http://10.0.2.2:\(desk.port) \
      --spool /root/spool --lease-interval 1 --events $events >/dev/null 2>>$log & echo $!
      """)
    bridge.withLock { $0 = identifier.trimmingCharacters(in: .whitespacesAndNewlines) }
  }

  func killBridge() throws {
    guard let identifier = bridge.withLock({ $0.take() }) else { return }
    try guest.run("kill -9 \(identifier); wait \(identifier); true")
    // Linux makes no-ops of the transfers that the dead process had in flight, and QEMU 7.2's xHCI
    // takes those for transfers of no length, which the adapter never ends. A host controller skips
    // them. To configure the device anew gives it new rings; what board and adapter hold stays.
    try guest.run(
      """
      for device in /sys/bus/usb/devices/*; do \
      if [ -e $device/serial ] && [ $(cat $device/idVendor) = 0403 ]; \
      then echo 1 >$device/bConfigurationValue; fi; done
      """)
  }

  func openHandles() throws -> [String] {
    let identifier = bridge.withLock { $0 } ?? "none"
    let text = try guest.run("for fd in /proc/\(identifier)/fd/*; do readlink $fd; done")
    return text.split(separator: "\n").map(String.init)
  }

  // MARK: - Plugs

  func unplug(_ serial: String) throws {
    let board = try place(serial)
    board.proxy.disconnectBridge()
    try guest.unplug(serial)
  }

  func plug(_ serial: String) throws {
    let board = try place(serial)
    try guest.plug(serial, line: board.line)
    try board.proxy.wait(for: "adapter") { $0.isConnected }
  }

  private func place(_ serial: String) throws(ProcessFailure) -> EmulatedPlace {
    guard let board = boards[serial] else {
      throw ProcessFailure(.missing, "there is no board \(serial)")
    }
    return board
  }

  // MARK: - Boards

  func type(_ line: String, on serial: String) throws { try place(serial).proxy.type(line) }

  func crash(_ serial: String, _ command: String, during trouble: () throws -> Void) throws {
    let board = try place(serial)
    let boot = board.proxy.current.hello?.bootCount ?? 0
    board.startsBefore.withLock { $0 = board.proxy.current.starts }
    board.proxy.holdLine(afterBoot: boot, bytes: Self.middle)
    defer { board.proxy.release() }
    board.proxy.type(command)
    try board.proxy.waitUntilHeld()
    try trouble()
  }

  func crashAndReset(_ serial: String, _ command: String) throws {
    let place = try place(serial)
    try crash(serial, command) {
      try place.board.pause()
      place.proxy.loseRest()
      try place.board.pressReset()
    }
  }

  func waitForApplication(on serial: String) throws {
    let place = try place(serial)
    let before = place.startsBefore.withLock { $0 }
    try place.proxy.wait(for: "application") { $0.starts > before }
  }
}

/// One board and the line to its adapter.
private final class EmulatedPlace: Sendable {
  let board: QEMUBoard
  let proxy: LineProxy
  /// Where the adapter connects.
  let line: String
  /// How often the application had started when the board was last crashed.
  let startsBefore = Mutex(0)

  init(_ serial: String, firmware: URL, in folder: TemporaryDirectory) throws {
    board = try QEMUBoard(firmware: firmware, in: folder, name: serial)
    let inner = folder.file("\(serial).board").path
    line = folder.file("\(serial).line").path
    let listener = try LineSocket(listeningAt: inner)
    try board.start(connectingTo: inner)
    proxy = try LineProxy(board: try listener.accept(within: .seconds(20)), listeningAt: line)
  }

  func close() {
    board.kill()
    proxy.close()
  }
}
