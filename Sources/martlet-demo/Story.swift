// What the demo shows, in order.

import Foundation
import Synchronization

/// The way of crashes from a board to the service: without consent, with it, after its revocation.
struct Story: Sendable {
  static let group = ["--product", "DW100", "--device-group", "Marketing"]

  let tools: Tools
  let folder: DemoFolder
  let crew: Crew
  let steps: StepList
  /// How long each thing that is waited for may take.
  let patience: Duration

  var progress: Progress { steps.progress }
  var flash: FlashImage { FlashImage(file: folder.run.appending(path: "nor.bin")) }

  func play() async throws {
    let address = try await startService()
    let logins = try await makeTokens()
    let martlet = OperatorTool(
      path: tools.martlet, service: address, token: logins.operators,
      authority: authority.path,
      configuration: folder.run.appending(path: "martlet.json"), progress: progress,
      patience: patience)
    let inner = folder.sockets.appending(path: "inner").path
    try await startBoard(inner)
    let tap = LineTap()
    let line = folder.sockets.appending(path: "board").path
    try await withThrowingTaskGroup(of: Void.self) { group in
      let (readiness, ready) = AsyncStream.makeStream(of: Void.self)
      group.addTask {
        defer { ready.finish() }
        try await tap.run(board: inner, listeningAt: line) { ready.yield() }
      }
      group.addTask {
        for await _ in readiness {
          return try await act(line, tap, martlet, service: address, bridgeToken: logins.bridge)
        }
        throw DemoFailure(.ended, "nobody can listen on the line between board and bridge")
      }
      defer { group.cancelAll() }
      // The scenes end; the tap only fails.
      try await group.next()
    }
  }

  private func act(
    _ line: String, _ tap: LineTap, _ martlet: OperatorTool, service address: String,
    bridgeToken: String
  ) async throws {
    try await provision(line, martlet, service: address, bridgeToken: bridgeToken)
    let bench = try await startBridge(line, service: address)

    try await claim(bench, martlet)
    try await steps.run("crash-without-consent", "crashing without consent: nothing is kept") {
      _ in
      try await crashUnseen(bench, martlet, dumpsBefore: 0)
    }
    try await giveConsent(bench, martlet)
    guard let lease = tap.lastLease else {
      throw DemoFailure(.unexpected, "no lease passed on the line although the board holds one")
    }
    for (index, crash) in Crash.all.enumerated() {
      try await steps.run("crash-\(crash.name)", "crashing: \(crash.words)") { notes in
        try await show(crash, bench, martlet, number: index + 1, &notes)
      }
    }
    try await searchStolenFlash(bench, martlet)
    try await revokeConsent(bench, martlet)
    try await replay(lease, bench, tap)
    try await steps.run("crash-after-revocation", "crashing once more: nothing is kept") { _ in
      try await crashUnseen(bench, martlet, dumpsBefore: Crash.all.count)
    }
  }

  // MARK: - Starting

  private func startService() async throws -> String {
    try await steps.run("service", "starting the crash service") { _ in
      let portFile = folder.run.appending(path: "port")
      let key = folder.run.appending(path: "master.key")
      try makeMasterKey(key)
      _ = try await crew.start(
        "service", tools.service,
        [
          "run", "--data", data.path, "--port", "0",
          "--port-file", portFile.path, "--master-key-file", key.path,
        ])
      let port = try await wait(for: "the service's port") {
        (try? String(contentsOf: portFile, encoding: .utf8)).flatMap {
          Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
      }
      let address = "https://127.0.0.1:\(port)"
      progress.say("  $ export MARTLET_SERVICE=\(address)")
      progress.say("  $ export MARTLET_CA=\(authority.path)")
      return address
    }
  }

  private var data: URL { folder.run.appending(path: "service") }
  /// What clients trust the service for.
  private var authority: URL { data.appending(path: "tls/ca.pem") }
  private var bridgeTokenFile: URL { folder.run.appending(path: "bridge.token") }

  /// Tokens for operators and for the bridge.
  private func makeTokens() async throws -> (operators: String, bridge: String) {
    try await steps.run("tokens", "making tokens: one for operators, one for the bridge") { _ in
      let tool = OperatorTool(
        name: "martlet-service", path: tools.service, service: "", token: "",
        authority: authority.path, configuration: folder.run.appending(path: "martlet.json"),
        progress: progress, patience: patience)
      let create = ["token", "create", "--data", data.path]
      let operators = try await tool.run(
        create + ["--role", "administrator", "--role", "investigator"])
      let bridge = try await tool.run(create + ["--role", "bridge"])
      guard
        FileManager.default.createFile(
          atPath: bridgeTokenFile.path, contents: Data(bridge.utf8),
          attributes: [.posixPermissions: 0o600])
      else { throw DemoFailure(.system, "cannot write \(bridgeTokenFile.path)") }
      progress.say("  $ export MARTLET_TOKEN=mt_...")
      return (
        operators.trimmingCharacters(in: .newlines), bridge.trimmingCharacters(in: .newlines)
      )
    }
  }

  /// A key of this run's own for what the service stores.
  private func makeMasterKey(_ file: URL) throws {
    let key = Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
    guard
      FileManager.default.createFile(
        atPath: file.path, contents: Data(key.utf8), attributes: [.posixPermissions: 0o600])
    else { throw DemoFailure(.system, "cannot write \(file.path)") }
  }

  private func startBoard(_ socket: String) async throws {
    try await steps.run("board", "starting an ast1030-evb board in QEMU, its flash erased") { _ in
      try flash.make()
      _ = try await crew.start(
        "board", tools.qemu,
        [
          "-M", "ast1030-evb,fmc-model=w25q32",
          "-drive", "file=\(flash.file.path),format=raw,if=mtd",
          "-display", "none", "-monitor", "none",
          "-chardev", "socket,path=\(socket),server=on,wait=off,id=line",
          "-serial", "chardev:line", "-kernel", tools.firmware,
        ])
      _ = try await wait(for: "the board's serial line") {
        FileManager.default.fileExists(atPath: socket) ? true : nil
      }
    }
  }

  private func startBridge(_ socket: String, service: String) async throws -> Bench {
    try await steps.run("bridge", "starting the bridge; the board says hello") { _ in
      let events = folder.run.appending(path: "events.jsonl")
      let (reading, writing) = try Crew.makePipe()
      _ = try await crew.start(
        "bridge", tools.bridge,
        [
          "run", "--board", "unix:\(socket)", "--service", service,
          "--spool", folder.run.appending(path: "spool").path, "--events", events.path,
          "--console", "--lease-interval", "1", "--status-socket", "none",
          "--token-file", bridgeTokenFile.path, "--ca", authority.path,
        ],
        input: reading, output: "console.log")
      let bench = Bench(console: writing, log: EventLog(file: events), story: self)
      let (hello, _) = try await bench.event("the board's hello", from: 0) {
        $0.event == "board.hello" && $0.device != nil
      }
      guard hello.leaseState != "allowed" else {
        throw DemoFailure(.unexpected, "a board that was never on holds a lease")
      }
      bench.know(hello)
      progress.say(
        "  device \(bench.device.prefix(12))..., boot \(bench.bootCount), lease "
          + "\(hello.leaseState ?? "unknown")")
      return bench
    }
  }

  // MARK: - Waiting

  /// Looks again and again until there is an answer.
  ///
  /// - Parameters:
  ///   - what: is waited for, for people.
  ///   - look: the answer, or `nil` while there is none.
  /// - Throws: ``DemoFailure`` with `tooLate` or `ended`, and what `look` throws.
  func wait<Answer>(
    for what: String, _ look: () async throws -> Answer?
  ) async throws -> Answer {
    let deadline = ContinuousClock.now + patience
    while true {
      if let answer = try await look() { return answer }
      try await crew.check()
      guard .now < deadline else {
        throw DemoFailure(
          .tooLate, "\(what) did not come within \(Int(patience.inSeconds)) s",
          remedy: "The logs in \(folder.run.path) tell more; --patience gives more time")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}
