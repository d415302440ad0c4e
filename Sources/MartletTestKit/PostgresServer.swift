// A PostgreSQL server of a test's own.

import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A server on a folder of its own, reached over a socket in that folder and over a port of the loopback
/// interface. What it commits is on disk. It ends with the test process, however that ends.
///
/// Texts are ordered as in English, so that a test notices who relies on the order of bytes.
public final class PostgresServer: Sendable {
  /// How ``stop(_:)`` ends it.
  public enum Stop: Int32, Sendable {
    /// Sessions are ended, what was committed is written out.
    case fast = 2
    /// As when the machine loses its power: the next start recovers.
    case kill = 9
  }

  private let folder: URL
  private let disk: SmallDisk?
  private let programs: URL
  private let wrapper: [String]
  private let password = String(UInt64.random(in: .min ... .max), radix: 36)
  private let state: Mutex<State>

  private struct State {
    var port: UInt16
    var process: SpawnedProgram?
  }

  /// The one of this process, for tests that do not stop it.
  public static func shared() async throws -> PostgresServer { try await sharedServer.value }

  private static let sharedServer = Task { try await PostgresServer.make() }

  /// Makes a server and starts it.
  /// - Parameters:
  ///   - onDisk: for those who measure what a commit takes.
  ///   - disk: has all that the server keeps, for those who fill it.
  /// - Throws: ``ProcessFailure``: `missing` when PostgreSQL is not installed.
  public static func make(onDisk: Bool = false, disk: SmallDisk? = nil) async throws
    -> PostgresServer
  {
    try await onThread {
      let server = try PostgresServer(onDisk: onDisk, disk: disk)
      try server.start()
      return server
    }
  }

  private init(onDisk: Bool, disk: SmallDisk?) throws {
    self.disk = disk
    programs = try Self.findPrograms()
    // What a test makes is synced table by table: in memory that takes no time, and a server that is
    // killed finds it all the same.
    let memory = URL(fileURLWithPath: "/dev/shm")
    let place =
      !onDisk && FileManager.default.isWritableFile(atPath: memory.path)
      ? memory : FileManager.default.temporaryDirectory
    folder = place.appending(
      path: "martlet-pg-" + String(UInt32.random(in: .min ... .max), radix: 36))
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    ProcessReaper.shared.add(folder: folder)
    wrapper = (disk?.wrapper ?? []) + (try Self.becomeUnprivileged(folder))
    state = Mutex(State(port: try freePort()))
    let passwordFile = folder.appending(path: "password")
    try Data(password.utf8).write(to: passwordFile)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: passwordFile.path)
    try run(
      "initdb",
      [
        "--pgdata", data.path, "--username=martlet", "--encoding=UTF8", "--locale=C.UTF-8",
        "--locale-provider=icu", "--icu-locale=en-US", "--auth-local=trust",
        "--auth-host=scram-sha-256", "--pwfile=\(passwordFile.path)", "--no-sync",
      ])
  }

  private var data: URL { (disk?.folder ?? folder).appending(path: "data") }

  // MARK: - Running

  /// Starts it and waits until it takes connections.
  public func start() throws {
    for _ in 1...100 {
      let port = state.withLock { $0.port }
      let server = try SpawnedProgram(
        wrapper + [
          programs.appending(path: "postgres").path, "-D", data.path, "-p", "\(port)", "-k",
          folder.path, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=600", "-c",
          "shared_buffers=64MB", "-c", "fsync=on", "-c", "dynamic_shared_memory_type=mmap", "-c",
          "checkpoint_timeout=1h", "-c", "max_wal_size=2GB",
        ], log: folder.appending(path: "server.log"))
      ProcessReaper.shared.add(server: server.identifier)
      var end: Int32?
      // Its log is a file, so that is looked at again and again.
      while end == nil, !server.output.contains("ready to accept connections") {
        usleep(10_000)
        end = server.end(waiting: false)
      }
      guard end != nil else {
        state.withLock { $0.process = server }
        return
      }
      switch server.output {
      // Somebody took the port in the meantime.
      case let output where output.contains("could not bind"):
        let other = try freePort()
        state.withLock { $0.port = other }
      // Of a server that was killed some processes have not noticed yet.
      case let output where output.contains("is still in use"): usleep(50_000)
      case let output:
        throw ProcessFailure(.ended, "postgres ended: \(output.suffix(2000))")
      }
    }
    throw ProcessFailure(.tooLate, "postgres does not start")
  }

  /// Starts it again when it ended by itself.
  public func revive() throws {
    let hasEnded = state.withLock { state in
      guard let server = state.process else { return true }
      guard server.end(waiting: false) != nil else { return false }
      state.process = nil
      return true
    }
    if hasEnded { try start() }
  }

  /// Kills one of its processes, a session's or another: the server ends all sessions then, and recovers
  /// what was committed.
  /// - Parameter choose: gets how many there are.
  public func killProcess(_ choose: (Int) -> Int) throws {
    let children = try children()
    guard !children.isEmpty else { return }
    kill(children[choose(children.count)], SIGKILL)
  }

  private func children() throws -> [pid_t] {
    guard let server = state.withLock({ $0.process?.identifier }) else { return [] }
    return try String(contentsOfFile: "/proc/\(server)/task/\(server)/children", encoding: .utf8)
      .split(separator: " ").compactMap { Int32($0) }
  }

  /// Ends it and waits until it is gone.
  public func stop(_ how: Stop) {
    let server = state.withLock { state in
      defer { state.process = nil }
      return state.process
    }
    guard let server else { return }
    kill(server.identifier, how.rawValue)
    _ = server.end(waiting: true)
  }

  /// Stops all its processes without ending them, as on a machine that hangs, or lets them go on.
  public func freeze(_ isFrozen: Bool) throws {
    guard let server = state.withLock({ $0.process?.identifier }) else { return }
    let signal = isFrozen ? SIGSTOP : SIGCONT
    if isFrozen { kill(server, signal) }
    for child in try children() { kill(child, signal) }
    if !isFrozen { kill(server, signal) }
  }

  deinit {
    stop(.fast)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Its files, logs and write-ahead logs among them. What it holds in memory comes there when it is
  /// stopped.
  /// - Parameter time: leaves out what was not written since.
  public func files(writtenSince time: Date) throws -> [(path: String, content: Data)] {
    let keys: Set<URLResourceKey> = [.isRegularFileKey, .contentModificationDateKey]
    let all = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: Array(keys))
    return try (all?.compactMap { $0 as? URL } ?? []).compactMap { file in
      let values = try file.resourceValues(forKeys: keys)
      guard values.isRegularFile == true, (values.contentModificationDate ?? time) >= time else {
        return nil
      }
      return (file.path, try Data(contentsOf: file))
    }
  }

  // MARK: - Databases

  /// The address of a database, over the socket.
  public func url(_ database: String) -> String {
    "postgresql:///\(database)?host=\(folder.path)&port=\(state.withLock { $0.port })&user=martlet"
  }

  /// The address over the loopback interface, with a password.
  public func networkURL(_ database: String) -> String {
    "postgresql://martlet:\(password)@127.0.0.1:\(state.withLock { $0.port })/\(database)"
  }

  /// Makes an empty database.
  /// - Returns: its name.
  public func makeDatabase() async throws -> String {
    let name = "t" + String(UInt64.random(in: .min ... .max), radix: 36)
    try await onThread { [self] in try run("createdb", server + [name]) }
    return name
  }

  /// Removes a database, and ends who is connected.
  public func drop(_ database: String) async throws {
    try await onThread { [self] in try run("dropdb", server + ["--force", database]) }
  }

  private var server: [String] {
    ["-h", folder.path, "-p", "\(state.withLock { $0.port })", "-U", "martlet"]
  }

  private func run(_ program: String, _ arguments: [String]) throws {
    let log = folder.appending(path: "\(program)-\(UUID().uuidString).log")
    defer { try? FileManager.default.removeItem(at: log) }
    let running = try SpawnedProgram(
      wrapper + [programs.appending(path: program).path] + arguments, log: log)
    guard running.end(waiting: true) == 0 else {
      throw ProcessFailure(.ended, "\(program) failed: \(running.output.suffix(2000))")
    }
  }

  // MARK: - What there is

  /// The folder with PostgreSQL's programs, of the newest version.
  private static func findPrograms() throws -> URL {
    let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let versions = "/usr/lib/postgresql"
    let installed = ((try? FileManager.default.contentsOfDirectory(atPath: versions)) ?? [])
      .sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }
    let folders = path.map(String.init) + installed.map { "\(versions)/\($0)/bin" }
    let needed = ["initdb", "postgres", "createdb", "dropdb"]
    for folder in folders
    where needed.allSatisfy({ FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }) {
      return URL(fileURLWithPath: folder)
    }
    throw ProcessFailure(
      .missing, "there is no PostgreSQL server: initdb is neither in PATH nor below \(versions)",
      remedy: "Install it with scripts/setup")
  }

  /// PostgreSQL refuses to run as root. Gives the folder to a user that may.
  /// - Returns: what goes before a command line.
  private static func becomeUnprivileged(_ folder: URL) throws -> [String] {
    guard getuid() == 0 else { return ["/usr/bin/env"] }
    let names = ["postgres", "nobody"]
    guard let user = names.lazy.compactMap({ (name: String) in getpwnam(name) }).first else {
      throw ProcessFailure(
        .missing, "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")
    }
    guard chown(folder.path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
      throw ProcessFailure(.cannotStart, "\(folder.path) cannot be given to another user")
    }
    return [
      "/usr/bin/setpriv", "--reuid=\(user.pointee.pw_uid)", "--regid=\(user.pointee.pw_gid)",
      "--clear-groups",
    ]
  }
}

/// A port of the loopback interface that nobody uses now.
private func freePort() throws -> UInt16 {
  let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(socket) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let found = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
    }
  }
  guard found else { throw ProcessFailure(.cannotStart, "no port is free") }
  return UInt16(bigEndian: address.sin_port)
}
