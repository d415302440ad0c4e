// Service, bridge and the operators' tool in a folder, all real; boards come from elsewhere.

import Foundation
import HostBridge
import MartletTestKit
import ServiceAPI
import Synchronization

/// One service and one bridge, each of which may be killed and started again.
///
/// Immutable but for what its lock guards. The calls block their thread: use them inside
/// ``onThread(_:)``.
open class Desk: @unchecked Sendable {
  public let folder: TemporaryDirectory
  public let access: Access
  let serviceProgram: URL
  private let bridgeProgram: URL
  let tool: URL
  private let running = Mutex(Running())

  private struct Running {
    var service: ProcessChild?
    var bridge: ProcessChild?
    var port = 0
    /// By data folder.
    var logins: [String: Logins] = [:]
    var data = "service"
  }

  /// Service and bridge are started by ``startService(data:port:)`` and ``startBridge(at:_:)``.
  public init(in folder: TemporaryDirectory, access: Access = .plaintext) throws {
    self.folder = folder
    self.access = access
    serviceProgram = try Programs.url("martlet-service")
    bridgeProgram = try Programs.url("martlet-bridge")
    tool = try Programs.url("martlet")
  }

  open func close() {
    killBridge()
    killService()
  }

  // MARK: - The service

  /// The service's address.
  public var address: String { "\(scheme)://127.0.0.1:\(port)" }

  private var scheme: String { access == .plaintext ? "http" : "https" }

  /// What a bridge is started with to log in; the service was started before.
  public var bridgeLogin: [String] { logins?.bridge ?? [] }

  /// The bridge's token; empty when it shows a certificate.
  public var bridgeToken: String { logins?.bridgeToken ?? "" }

  /// The token of somebody who manages everything and reads dumps.
  public var operatorToken: String { logins?.environment[ServiceLogin.tokenVariable] ?? "" }

  /// What logs in to the service that was started last.
  private var logins: Logins? { running.withLock { $0.logins[$0.data] } }

  /// The port of the service that was started last.
  public var port: Int { running.withLock { $0.port } }

  /// Starts the service, on the port it had before if it had one.
  public func startService(data: String = "service", port: Int? = nil) throws {
    let port = port ?? self.port
    let service = try ProcessChild(
      serviceProgram,
      ["run", "--data", folder.file(data).path, "--port", "\(port)", "--log-level", "warning"]
        + (access == .plaintext ? ["--http"] : []),
      // Where it keeps the master key that it makes.
      environment: ["XDG_CONFIG_HOME": folder.path])
    running.withLock { $0.service = service }
    let listening = try service.waitForPort(scheme)
    let isKnown = running.withLock { running in
      running.port = listening
      running.data = data
      return running.logins[data] != nil
    }
    guard !isKnown else { return }
    let made = try makeLogins(data: data)
    running.withLock { $0.logins[data] = made }
  }

  /// kill -9.
  public func killService() { running.withLock { $0.service }?.kill() }

  // MARK: - The bridge

  /// Starts the bridge for boards at these addresses.
  ///
  /// - Parameter wrapper: a program and its arguments that start the bridge in their own place.
  @discardableResult
  public func startBridge(
    at boards: [String], _ more: [String] = [], under wrapper: [String] = []
  ) throws -> ProcessChild {
    let command = wrapper + [bridgeProgram.path]
    let bridge = try ProcessChild(
      URL(fileURLWithPath: command[0]),
      command.dropFirst() + ["run"] + boards.flatMap { ["--board", $0] } + [
        "--service", address, "--spool", spool, "--events", "-", "--lease-interval", "1",
        "--status-socket", statusSocket,
      ] + bridgeLogin + more)
    running.withLock { $0.bridge = bridge }
    return bridge
  }

  /// The socket on which the bridge is asked for its status.
  public var statusSocket: String { folder.file("status.sock").path }

  /// Asks the bridge for its status, as `martlet-bridge status` does.
  ///
  /// - Returns: what it printed, and its exit status.
  public func askBridge(_ more: String...) throws -> (output: String, errors: String, code: Int32) {
    let child = try ProcessChild(bridgeProgram, ["status", "--socket", statusSocket] + more)
    guard case .exit(let code) = try child.waitForEnd() else {
      throw ProcessFailure(.unexpected, "martlet-bridge status did not exit\n\(child.errors)")
    }
    return (child.output, child.errors, code)
  }

  /// kill -9.
  public func killBridge() { running.withLock { $0.bridge }?.kill() }

  /// Whether the bridge that was started last has ended.
  public var isBridgeGone: Bool { running.withLock { $0.bridge }?.hasEnded ?? true }

  /// Waits until the bridge that runs now has told of something.
  ///
  /// - Returns: the first such event.
  @discardableResult
  public func waitForBridge(
    _ name: BridgeEvent.Name, where matches: (BridgeEvent) -> Bool = { _ in true }
  ) throws -> BridgeEvent {
    guard let bridge = running.withLock({ $0.bridge }) else {
      throw ProcessFailure(.unexpected, "no bridge was started")
    }
    var found: BridgeEvent?
    try bridge.wait(for: "event \(name.rawValue)") { output, _ in
      found = BridgeEvent.all(in: output).first { $0.event == name && matches($0) }
      return found != nil
    }
    guard let found else { throw ProcessFailure(.unexpected, "no event \(name.rawValue)") }
    return found
  }

  /// The folder of the bridge's spool.
  public var spool: String { folder.file("spool").path }

  // MARK: - The operators' tool

  /// Runs `martlet` and returns what it printed.
  ///
  /// - Throws: ``ProcessFailure`` with its words when it does not exit with `code`.
  @discardableResult
  public func martlet(_ arguments: String..., exit code: Int32 = 0) throws -> String {
    try martlet(arguments, exit: code)
  }

  /// Runs `martlet` and returns what it printed.
  @discardableResult
  public func martlet(_ arguments: [String], exit code: Int32 = 0) throws -> String {
    let child = try ProcessChild(tool, arguments, environment: toolEnvironment)
    let ending = try child.waitForEnd()
    guard ending == .exit(code) else {
      throw ProcessFailure(
        .unexpected, "martlet \(arguments.joined(separator: " ")): \(ending)\n\(child.errors)")
    }
    return code == 0 ? child.output : child.errors
  }

  /// What `martlet` takes out of its environment.
  var toolEnvironment: [String: String] {
    [
      "MARTLET_SERVICE": address, "MARTLET_CATALOG": "bench", "HOME": folder.path,
      "XDG_CONFIG_HOME": folder.path,
    ].merging(logins?.environment ?? [:]) { $1 }
  }

  /// Makes catalog, product and device group.
  public func makeGroup() throws {
    try martlet("catalog", "create", "--name", "bench")
    try martlet("product", "create", "--product", "DW100")
    try martlet("device-group", "create", "--product", "DW100", "--device-group", "Field")
  }

  /// Gives the board at an address its identity in the catalog, as `martlet-bridge provision` does. No
  /// bridge may have its line.
  ///
  /// - Returns: the device's id, 128 hex digits.
  public func provision(_ board: String) throws -> String {
    let child = try ProcessChild(
      bridgeProgram,
      [
        "provision", "--board", board, "--service", address, "--catalog", "bench", "--output",
        "json",
      ] + bridgeLogin)
    let ending = try child.waitForEnd()
    guard ending == .exit(0) else {
      throw ProcessFailure(
        .unexpected, "martlet-bridge provision --board \(board): \(ending)\n\(child.errors)")
    }
    return try JSONDecoder().decode(ProvisionedIdentity.self, from: Data(child.output.utf8))
      .deviceId
  }

  /// Claims devices into the group.
  public func claim(_ devices: [String]) throws {
    try martlet(
      ["device", "claim", "--product", "DW100", "--device-group", "Field"]
        + devices.flatMap { ["--device", $0] })
  }

  /// Gives or revokes the group's consent.
  public func setConsent(_ consent: CrashDumpsCollection) throws {
    try martlet(
      "device-group", "update", "--product", "DW100", "--device-group", "Field",
      "--allow-crash-dumps-collection", consent.rawValue)
  }

  /// What a program has taken of the memory (proc(5)).
  public func memory(of child: ProcessChild) throws -> ProcessMemory {
    let status = try String(contentsOfFile: "/proc/\(child.identifier)/status", encoding: .utf8)
    func mebibytes(_ name: String) throws -> Double {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
      guard let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first,
        let number = Double(kibibytes)
      else { throw ProcessFailure(.unexpected, "\(child.name) does not say its \(name)") }
      return number / 1024
    }
    let peak = try mebibytes("VmHWM")
    return ProcessMemory(peak: peak, peakOfItsOwn: peak - (try mebibytes("RssFile")))
  }
}

/// Memory of a process, MiB.
public struct ProcessMemory: Sendable {
  /// The most that it has had resident (VmHWM).
  public let peak: Double

  /// The same without the pages of files (RssFile): without code, of which the system maps what its page
  /// cache happens to hold around each page that runs.
  public let peakOfItsOwn: Double
}

extension BridgeEvent {
  /// The events in what a bridge printed; one that was killed may have left half a line.
  public static func all(in output: String) -> [BridgeEvent] {
    output.split(separator: "\n").compactMap { try? BridgeEvent(line: Data($0.utf8)) }
  }
}

/// Asks again until there is an answer, for programs that say nothing when they are done.
public func poll<Answer>(
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
