// A bench in a folder: service, bridge, board, and the operators' tool, all real.

import Foundation
import HostBridge
import LinkProtocol
import MartletTestKit
import ServiceAPI
import Synchronization

/// One service, one bridge and one board in QEMU, each of which may be killed and started again.
///
/// The calls block their thread: use them inside ``onThread(_:)``.
final class Stand: Sendable {
  let folder: TemporaryDirectory
  let board: QEMUBoard
  let proxy: LineProxy
  private let serviceProgram: URL
  private let bridgeProgram: URL
  private let tool: URL
  private let running = Mutex(Running())

  private struct Running {
    var service: ProcessChild?
    var bridge: ProcessChild?
    var port = 0
  }

  /// Powers the board on. Service and bridge are started by ``startService()`` and
  /// ``startBridge(_:)``.
  private init(_ folder: TemporaryDirectory) throws {
    self.folder = folder
    serviceProgram = try Programs.url("martlet-service")
    bridgeProgram = try Programs.url("martlet-bridge")
    tool = try Programs.url("martlet")
    board = try QEMUBoard(firmware: try Programs.firmware(), in: folder)
    let listener = try LineSocket(listeningAt: folder.file("board.sock").path)
    try board.start(connectingTo: folder.file("board.sock").path)
    proxy = try LineProxy(
      board: try listener.accept(within: .seconds(20)),
      listeningAt: folder.file("bridge.sock").path)
  }

  /// Makes a stand for the length of `body`; afterwards nothing of it is left.
  static func with<Result: Sendable>(
    _ body: @escaping @Sendable (Stand) throws -> Result
  ) async throws -> Result {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let stand = try Stand(folder)
        defer { stand.close() }
        return try body(stand)
      }
    }
  }

  private func close() {
    killBridge()
    killService()
    board.kill()
    proxy.close()
  }

  // MARK: - The service

  /// The service's address.
  var address: String { "http://127.0.0.1:\(port)" }

  /// The port of the service that was started last.
  var port: Int { running.withLock { $0.port } }

  /// Starts the service, on the port it had before if it had one.
  func startService(data: String = "service", port: Int? = nil) throws {
    let port = port ?? self.port
    let service = try ProcessChild(
      serviceProgram,
      ["run", "--data", folder.file(data).path, "--port", "\(port)", "--log-level", "warning"])
    running.withLock { $0.service = service }
    let mark = "listening on http://127.0.0.1:"
    try service.wait(for: "word that it listens") { output, _ in
      output.contains(mark) && output.hasSuffix("\n")
    }
    let digits = service.output.components(separatedBy: mark).last?.prefix { $0.isNumber }
    running.withLock { $0.port = digits.flatMap { Int($0) } ?? 0 }
  }

  /// kill -9.
  func killService() { running.withLock { $0.service }?.kill() }

  // MARK: - The bridge

  /// Starts the bridge on the board's line.
  func startBridge(_ more: [String] = []) throws {
    let bridge = try ProcessChild(
      bridgeProgram,
      [
        "run", "--board", proxy.address, "--service", address, "--spool", spool,
        "--events", "-", "--lease-interval", "1",
      ] + more)
    running.withLock { $0.bridge = bridge }
  }

  /// kill -9.
  func killBridge() { running.withLock { $0.bridge }?.kill() }

  /// Waits until the bridge that runs now has told of something.
  ///
  /// - Returns: the first such event.
  @discardableResult
  func waitForBridge(
    _ name: BridgeEvent.Name, where matches: (BridgeEvent) -> Bool = { _ in true }
  ) throws -> BridgeEvent {
    guard let bridge = running.withLock({ $0.bridge }) else {
      throw ProcessFailure(.unexpected, "no bridge was started")
    }
    var found: BridgeEvent?
    try bridge.wait(for: "event \(name.rawValue)") { output, _ in
      found = Self.events(in: output).first { $0.event == name && matches($0) }
      return found != nil
    }
    guard let found else { throw ProcessFailure(.unexpected, "no event \(name.rawValue)") }
    return found
  }

  /// The events in what a bridge printed; a bridge that was killed may have left half a line.
  private static func events(in output: String) -> [BridgeEvent] {
    output.split(separator: "\n").compactMap { try? BridgeEvent(line: Data($0.utf8)) }
  }

  /// The folder of the bridge's spool.
  var spool: String { folder.file("spool").path }

  /// Whether some file of the spool holds this text. Kill the bridge first.
  func spoolBytes(containing text: String) throws -> Bool {
    try FileManager.default.contentsOfDirectory(atPath: spool).contains { name in
      try Data(contentsOf: URL(fileURLWithPath: spool + "/" + name)).range(of: Data(text.utf8))
        != nil
    }
  }

  // MARK: - The operators' tool

  /// Runs `martlet` and returns what it printed.
  ///
  /// - Throws: ``ProcessFailure`` with its words when it does not exit with `code`.
  @discardableResult
  func martlet(_ arguments: String..., exit code: Int32 = 0) throws -> String {
    let child = try ProcessChild(
      tool, arguments,
      environment: [
        "MARTLET_SERVICE": address, "MARTLET_CATALOG": "bench", "HOME": folder.path,
        "XDG_CONFIG_HOME": folder.path,
      ])
    let ending = try child.waitForEnd()
    guard ending == .exit(code) else {
      throw ProcessFailure(
        .unexpected, "martlet \(arguments.joined(separator: " ")): \(ending)\n\(child.errors)")
    }
    return code == 0 ? child.output : child.errors
  }

  /// Makes catalog, product and device group, and claims the board into it.
  func claimBoard() throws {
    let hello = try proxy.wait(for: "HELLO") { $0.hello != nil }.hello
    try martlet("catalog", "create", "--name", "bench")
    try martlet("product", "create", "--product", "DW100")
    try martlet("device-group", "create", "--product", "DW100", "--device-group", "Field")
    try martlet(
      "device", "claim", "--product", "DW100", "--device-group", "Field", "--device",
      hello?.deviceID.text ?? "")
  }

  /// Gives or revokes the group's consent.
  func setConsent(_ consent: CrashDumpsCollection) throws {
    try martlet(
      "device-group", "update", "--product", "DW100", "--device-group", "Field",
      "--allow-crash-dumps-collection", consent.rawValue)
  }
}

/// Asks again until there is an answer, for programs that say nothing when they are done.
func poll<Answer>(
  for what: String, within limit: Duration = .seconds(60), _ answer: () throws -> Answer?
) throws -> Answer {
  let deadline = ContinuousClock.now + limit
  while true {
    if let found = try answer() { return found }
    guard ContinuousClock.now < deadline else {
      throw ProcessFailure(.tooLate, "no \(what) within \(limit)")
    }
    // The one place where a test waits for a clock: other programs' files change without a signal.
    usleep(20_000)
  }
}
