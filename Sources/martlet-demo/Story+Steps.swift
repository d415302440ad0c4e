// The scenes of the story, each checked against what must have happened.

import Foundation

extension Story {
  /// Gives the board its identity in a new catalog.
  func provision(_ line: String, _ martlet: OperatorTool, service: String, bridgeToken: String)
    async throws
  {
    let words = "provisioning: the board makes a key of its own, and trusts the catalog's"
    try await steps.run("provision", words) { _ in
      try await martlet.run(["catalog", "create"])
      var tool = martlet
      tool.name = "martlet-bridge"
      tool.path = tools.bridge
      tool.token = bridgeToken
      try await tool.run(["provision", "--board", "unix:\(line)", "--service", service])
      progress.say("  the service knows its public key; nobody knows the other one")
    }
  }

  /// Makes the board known to the service, in a group that does not consent.
  func claim(_ bench: Bench, _ martlet: OperatorTool) async throws {
    try await steps.run("claim", "claiming the device; consent is off by default") { _ in
      try await martlet.run(["product", "create", "--product", "DW100"])
      try await martlet.run(["device-group", "create"] + Self.group)
      let mark = try await bench.mark()
      try await martlet.run(["device", "claim", "--device", bench.device] + Self.group)
      _ = try await bench.event("the denial at the board", from: mark) {
        $0.event == "lease.denied"
      }
      progress.say("  the board was told: no crash dumps")
    }
  }

  /// Crashes and checks that nothing is kept of it, on the board and at the service.
  func crashUnseen(_ bench: Bench, _ martlet: OperatorTool, dumpsBefore: Int) async throws {
    let mark = try await bench.mark()
    let ring = try flash.ring()
    try bench.type("crash null 5eed0000")
    let (hello, next) = try await bench.restart(from: mark)
    _ = try await bench.event("the start of the application", from: mark) { $0.showsApplication }
    guard hello.uncapturedCrashes == 1, hello.dumpsWaiting == 0 else {
      throw DemoFailure(
        .unexpected,
        "the board should count 1 crash and hold no dump, but it says "
          + "\(hello.uncapturedCrashes ?? 0) and \(hello.dumpsWaiting ?? 0)")
    }
    guard try flash.ring() == ring else {
      throw DemoFailure(
        .unexpected, "the dump ring in \(flash.file.path) changed although consent was absent")
    }
    // The denial after the crash: whatever was to be forwarded would have been offered by then.
    _ = try await bench.event("the denial after the crash", from: next) {
      guard !$0.event.hasPrefix("dump.") else {
        throw DemoFailure(.unexpected, "the bridge reports \($0.event) although consent was absent")
      }
      return $0.event == "lease.denied"
    }
    let dumps = try await martlet.dumps()
    guard dumps.count == dumpsBefore else {
      throw DemoFailure(
        .unexpected, "the service holds \(dumps.count) dumps, \(dumpsBefore) were expected")
    }
    progress.say("  kept: nothing; the board counted 1 crash, its dump ring is untouched,")
    progress.say("  the service holds \(dumpsBefore) dumps as before")
  }

  /// The product owner opts in.
  func giveConsent(_ bench: Bench, _ martlet: OperatorTool) async throws {
    try await steps.run("give-consent", "giving consent, dumps staying in the EU") { _ in
      let mark = try await bench.mark()
      try await martlet.run(
        ["device-group", "update"] + Self.group + [
          "--allow-crash-dumps-collection", "Enabled", "--regional-data-boundary", "EU",
        ])
      _ = try await bench.event("the lease at the board", from: mark) {
        $0.event == "lease.granted"
      }
      progress.say("  the board holds a lease")
    }
  }

  /// Crashes and follows the dump to the service and into gdb.
  func show(
    _ crash: Crash, _ bench: Bench, _ martlet: OperatorTool, number: Int, _ notes: inout StepNotes
  ) async throws {
    let mark = try await bench.mark()
    try bench.type(crash.command)
    let (_, next) = try await bench.restart(from: mark)
    let (uploaded, _) = try await bench.event("the dump at the service", from: next) {
      $0.event == "dump.uploaded"
    }
    guard let id = uploaded.dumpId else {
      throw DemoFailure(.unexpected, "the bridge reports an upload without the dump's id")
    }
    notes.dumpID = id
    _ = try await bench.event("the start of the application", from: next) { $0.showsApplication }

    let dumps = try await martlet.dumps()
    guard let dump = dumps.first(where: { $0.id == id }), dumps.count == number else {
      throw DemoFailure(
        .unexpected,
        "the service should hold \(number) dumps and \(id) among them; it holds "
          + (dumps.isEmpty ? "none" : dumps.map(\.id).joined(separator: ", ")))
    }
    notes.signature = dump.signature
    guard dump.kind == crash.kind, dump.region == "EU", dump.deviceId == bench.device else {
      throw DemoFailure(
        .unexpected,
        "dump \(id) should be a \(crash.kind) of this device in EU, but it is a \(dump.kind) of "
          + "\(dump.deviceId.prefix(12))... in \(dump.region)")
    }
    let text = try await martlet.run(
      ["dump", "show", id, "--symbol-path", tools.symbolPath])
    try explain(text, crash, id)
  }

  /// Shows the parts of a report that tell a person what happened, and checks them.
  private func explain(_ text: String, _ crash: Crash, _ id: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard let signature = lines.firstIndex(where: { $0.hasPrefix("AppCrash (") }), signature > 0,
      let title = lines.lastIndex(of: "Backtrace")
    else {
      throw DemoFailure(
        .unexpected, "martlet dump show \(id) printed no signature or no backtrace: \(text)")
    }
    let backtrace = lines[(title + 1)...].filter { !$0.isEmpty }
    for line in lines[(signature - 1)...signature] + backtrace { progress.say("    \(line)") }
    guard backtrace.contains(where: { $0.hasPrefix("#") && $0.contains(crash.function) }) else {
      throw DemoFailure(.unexpected, "the backtrace of \(id) does not name \(crash.function)")
    }
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    for evidence in crash.evidence where !words.contains(evidence) {
      throw DemoFailure(
        .unexpected, "martlet dump show \(id) does not say '\(evidence)', which was expected")
    }
  }

  /// The product owner changes their mind.
  func revokeConsent(_ bench: Bench, _ martlet: OperatorTool) async throws {
    try await steps.run("revoke-consent", "revoking consent") { _ in
      let mark = try await bench.mark()
      try await martlet.run(
        ["device-group", "update"] + Self.group + ["--allow-crash-dumps-collection", "Disabled"])
      _ = try await bench.event("the denial at the board", from: mark) {
        $0.event == "lease.denied"
      }
      progress.say("  the board was told: no crash dumps")
    }
  }
}
