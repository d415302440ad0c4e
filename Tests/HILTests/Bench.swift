// What scenarios ask of a bench, wherever its boards are.

import DumpFormat
import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit

/// Boards on USB, a bridge that finds them by serial number, and a service.
///
/// The boards run the demo firmware and are claimed, with consent. The calls block their thread: use
/// them inside ``onThread(_:)``.
protocol Bench: AnyObject, Sendable {
  /// The service and the operators' tool.
  var desk: Desk { get }
  /// The USB serial numbers of the boards; one at least.
  var serials: [String] { get }
  /// What all bridges told since the bench is there.
  var events: EventLog { get }

  /// Gives a board its identity, with `martlet-bridge provision` where the bridge runs. No bridge runs.
  ///
  /// - Returns: the device's id, 128 hex digits.
  func provision(_ serial: String) throws -> String
  /// Starts a bridge for these boards. The one before was killed.
  func startBridge(for serials: [String]) throws
  /// kill -9.
  func killBridge() throws
  /// What the bridge's descriptors refer to (proc(5), `/proc/<pid>/fd`).
  func openHandles() throws -> [String]

  /// Takes a board off its bus.
  func unplug(_ serial: String) throws
  /// Puts it back.
  func plug(_ serial: String) throws

  /// Types a line on a board's console.
  func type(_ line: String, on serial: String) throws
  /// Crashes a board's application and does something while the dump is on its way to the bridge.
  func crash(_ serial: String, _ command: String, during trouble: () throws -> Void) throws
  /// Crashes a board's application and resets the board while the dump is on its way to the bridge.
  func crashAndReset(_ serial: String, _ command: String) throws
  /// Waits until the application of a board runs to which no bridge talks.
  func waitForApplication(on serial: String) throws
}

extension Bench {
  /// The address of a board for `martlet-bridge --board`, which also marks its events.
  func address(of serial: String) -> String { "usb:\(serial)" }

  /// Waits for an event of one board.
  @discardableResult
  func wait(
    for name: BridgeEvent.Name, _ what: String = "", of serial: String, since mark: Int,
    where matches: (BridgeEvent) -> Bool = { _ in true }
  ) throws(ProcessFailure) -> BridgeEvent {
    let board = address(of: serial)
    return try events.wait(for: name, "\(what.isEmpty ? "" : what + ", ")of \(board)", since: mark)
    {
      $0.board == board && matches($0)
    }
  }

  /// What a board said of itself last.
  func hello(of serial: String) throws(ProcessFailure) -> BridgeEvent {
    let board = address(of: serial)
    guard let hello = events.last(.boardHello, where: { $0.board == board }) else {
      throw ProcessFailure(.unexpected, "\(board) never said who it is")
    }
    return hello
  }

  /// Starts the bridge for these boards and waits until each holds its lease.
  func startBridgeAndWait(for serials: [String]) throws {
    let mark = events.count
    try startBridge(for: serials)
    for serial in serials { try wait(for: .leaseGranted, of: serial, since: mark) }
  }

  /// The key under which the next crash of a board is kept.
  func nextKey(of serial: String) throws -> Expected {
    let hello = try hello(of: serial)
    return Expected(
      device: hello.device ?? "", key: DumpKey(bootCount: hello.bootCount ?? 0, sequence: 1))
  }

  /// Crashes a board, does something while its dump is on its way, and tells what is to come of it.
  func crash(
    _ serial: String, _ crashes: Crashes, during trouble: () throws -> Void
  ) throws -> Expected {
    let expected = try nextKey(of: serial)
    try crash(serial, crashes.next(on: serial), during: trouble)
    return expected
  }

  /// The boot in which a dump came to the bridge.
  func boot(of serial: String, whenSpooled dump: Expected, since mark: Int) throws -> UInt32 {
    let board = address(of: serial)
    var boot: UInt32 = 0
    try events.wait(for: .dumpSpooled, dump.key.text, since: mark) { $0.dump == dump.key.text }
    for event in events.since(mark) where event.board == board {
      if event.event == .boardHello { boot = event.bootCount ?? boot }
      if event.event == .dumpSpooled, event.dump == dump.key.text { break }
    }
    return boot
  }

  /// Waits until a dump is in the service.
  func waitUntilUploaded(_ expected: Expected, since mark: Int) throws {
    try events.wait(for: .dumpUploaded, expected.key.text, since: mark) {
      $0.device == expected.device && $0.dump == expected.key.text
    }
  }

  /// How the service holds dumps that were to arrive.
  func account(of expected: [Expected]) throws -> Account {
    let stored = try desk.storedDumps()
    var account = Account()
    for one in expected {
      let found = stored.filter { $0.key == one.key && $0.deviceId.lowercased() == one.device }
      if found.count != 1 { account.wrong.append("\(one) is stored \(found.count) times") }
      for dump in found {
        let bytes = try desk.content(of: dump)
        let prologue = try? bytes.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
        if prologue?.header.key != one.key { account.wrong.append("\(one) is not whole") }
      }
      if found.isEmpty { account.lost += 1 }
    }
    return account
  }
}

/// A dump that a crash leaves.
struct Expected: Hashable, CustomStringConvertible, Sendable {
  /// 128 hex digits.
  var device: String
  var key: DumpKey

  var description: String { "dump \(key.text) of \(device.prefix(12))" }
}

/// What became of dumps.
struct Account: Sendable {
  /// Not in the service.
  var lost = 0
  /// Not there, there twice, or not whole: in words.
  var wrong: [String] = []
}
