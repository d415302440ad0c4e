// kill -9 at any point of ingest: what was acknowledged is there, whole and once.

import AsyncHTTPClient
import DumpFormat
import DumpOpening
import Foundation
import MartletTestKit
import NIOCore
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

extension ProgramTests {
  @Suite struct ServiceKillTests {
    @Test(.timeLimit(.minutes(60)))
    func `a service killed at any point keeps what it acknowledged, whole and once`() async throws {
      let isCampaign = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] != nil
      var (lost, twice) = (0, 0)
      for engine in [BenchEngine.sqlite, .postgres] {
        let generator = SeededGenerator.fromEnvironment()
        var campaign = try await KillCampaign(engine, generator)
        let account = try await campaign.run(points: isCampaign ? 200 : 8)
        print("service kills on \(engine): \(account)")
        #expect(account.problems == [], "\(engine), seed \(generator.seed)")
        #expect(account.lost == 0 && account.twice == 0, "\(engine), seed \(generator.seed)")
        // The kills came while dumps were on their way.
        #expect(account.acknowledged > account.kills && account.interrupted > 0)
        Figure.report("service.kill.lost.\(engine)", account.lost)
        Figure.report("service.kill.twice.\(engine)", account.twice)
        lost += account.lost
        twice += account.twice
      }
      Figure.report("service.kill.lost", lost)
      Figure.report("service.kill.twice", twice)
    }
  }
}

/// Clients that send dumps to a service that is killed again and again, or whose databases are.
private struct KillCampaign {
  private static let clients = 4

  /// What is killed.
  private enum Victim: CaseIterable {
    case service
    /// A session of PostgreSQL or another of its processes: all sessions end.
    case session
    /// PostgreSQL as a whole.
    case server
    /// PostgreSQL and the service, one right after the other.
    case both
  }

  private let folder: TestFolder
  /// `nil` with SQLite.
  private let server: PostgresServer?
  private let ledger = KillLedger()
  private var generator: SeededGenerator
  private let token: String
  private let sealers: [String: DumpSealer]
  private var program: ServiceProgram?

  init(_ engine: BenchEngine, _ generator: SeededGenerator) async throws {
    self.generator = generator
    switch engine {
    case .sqlite:
      server = nil
      folder = TestFolder(engine: .sqlite)
    case .postgres:
      let server = try await PostgresServer.make()
      self.server = server
      folder = TestFolder(server: server)
    }
    (token, sealers) = try await ledger.fill(folder)
  }

  mutating func run(points: Int) async throws -> KillAccount {
    var waiting = [[SentDump]](repeating: [], count: Self.clients)
    for point in 0..<points {
      // Some do not live until they listen.
      if program == nil, generator.chance(0.1) {
        let child = try await ServiceProgram.start(on: folder)
        usleep(UInt32.random(in: 0...200_000, using: &generator))
        try await onThread { child.kill() }
      }
      let program = try await running()
      let (acknowledgements, told) = AsyncStream<Void>.makeStream()
      let runs = waiting.enumerated().map { client, left in
        let queue = left + fresh(client, point: point)
        let (chance, sealers, ledger) = (generator.split(), sealers, ledger)
        return Task {
          await ledger.send(queue, to: program, sealers, chance) { told.yield() }
        }
      }
      Task {
        for run in runs { _ = await run.value }
        told.finish()
      }
      var target = Int.random(in: 0...40, using: &generator)
      let pause = UInt32.random(in: 0...6_000, using: &generator)
      if target > 0 {
        for await _ in acknowledgements {
          target -= 1
          if target == 0 { break }
        }
      }
      // A moment within a dump's way.
      usleep(pause)
      try await kill(server == nil ? .service : Victim.allCases[point % Victim.allCases.count])
      for run in runs { run.cancel() }
      for (client, run) in runs.enumerated() { waiting[client] = await run.value }
      ledger.change {
        $0.kills += 1
        $0.interrupted += waiting.filter { !$0.isEmpty }.count
      }
    }
    let program = try await running()
    for left in waiting {
      try await program.poll("acknowledgement") {
        await ledger.send(left, to: program, sealers, generator) {}.isEmpty
      }
    }
    program.child.send(SIGTERM)
    _ = try await program.waitForEnd()
    return try await ledger.check(folder)
  }

  private mutating func kill(_ victim: Victim) async throws {
    let (server, program) = (server, program)
    let pick = generator.next()
    if victim == .server || victim == .both {
      try await onThread { server?.stop(.kill) }
    }
    if victim == .session {
      try server?.killProcess { Int(pick % UInt64($0)) }
    }
    if victim == .service || victim == .both {
      try await program?.kill()
      self.program = nil
    }
    if victim == .server || victim == .both { try await onThread { try server?.start() } }
  }

  /// The service that lives still, when it is ready again, or a new one.
  private mutating func running() async throws -> ServiceProgram {
    if let program {
      try await program.poll("service that is ready again") {
        try await program.send(.GET, "/readyz").status == .ok
      }
      return program
    }
    let program = try await start()
    self.program = program
    return program
  }

  private func start() async throws -> ServiceProgram {
    try await ServiceProgram(on: folder, token: token, ["--log-level", "error"])
  }

  /// More than are sent before the kill.
  private func fresh(_ client: Int, point: Int) -> [SentDump] {
    (0..<200).map { number in
      SentDump(
        device: BenchDevice.all[client % BenchDevice.all.count].text,
        key: DumpKey(
          bootCount: UInt32(client * 1_000_000 + point * 1_000 + number), sequence: 1))
    }
  }
}

/// A dump of a client.
private struct SentDump: Hashable, Sendable {
  var device: String
  var key: DumpKey

  /// What its memory holds.
  var memory: [UInt8] {
    var generator = SeededGenerator(seed: UInt64(key.bootCount) << 8 | UInt64(key.sequence))
    return generator.bytes(1_000 + Int(generator.next() % 15_000))
  }
}

private struct KillAccount: Sendable {
  var kills = 0
  var acknowledged = 0
  /// Dumps whose answer never came.
  var interrupted = 0
  var lost = 0
  var twice = 0
  var problems: [String] = []
}

/// What all clients know of all dumps.
private final class KillLedger: Sendable {
  private struct State {
    /// Ids by dump.
    var acknowledged: [SentDump: String] = [:]
    /// As a device keeps them: what is sent again is the same, byte by byte.
    var sealed: [SentDump: [UInt8]] = [:]
    var account = KillAccount()
  }

  private let state = Mutex(State())

  func change(_ body: (inout KillAccount) -> Void) { state.withLock { body(&$0.account) } }

  /// Makes the service's folder, with two devices whose owner consents.
  func fill(_ folder: TestFolder) async throws -> (String, [String: DumpSealer]) {
    let made = Mutex<(token: String, sealers: [String: DumpSealer])>(("", [:]))
    try await ServiceBench.run(folder: folder, clock: .present()) { bench in
      try await bench.addOddDevice()
      try await bench.setConsent(.enabled)
      let token = try await bench.token()
      for device in BenchDevice.all {
        let sealer = try await bench.sealer(device.text)
        made.withLock { $0.sealers[device.text] = sealer }
      }
      made.withLock { $0.token = token }
    }
    return made.withLock { $0 }
  }

  /// Sends dumps until one is not acknowledged, some of them again, or until the task is cancelled.
  /// - Returns: the one that was not; it may be stored.
  func send(
    _ queue: [SentDump], to program: ServiceProgram, _ sealers: [String: DumpSealer],
    _ generator: SeededGenerator, acknowledged: @Sendable () -> Void
  ) async -> [SentDump] {
    var generator = generator
    for dump in queue {
      do {
        // What is under way has its answer.
        try await Task { try await self.send(dump, to: program, sealers) }.value
        acknowledged()
        if Task.isCancelled { return [] }
        guard generator.chance(0.2) else { continue }
        let number = Int(generator.next() % 1_000_000)
        let old = state.withLock { state in
          state.acknowledged.keys.dropFirst(number % max(1, state.acknowledged.count)).first
        }
        if let old { try await send(old, to: program, sealers) }
      } catch {
        return [dump]
      }
    }
    return []
  }

  /// - Throws: when no answer came.
  private func send(
    _ dump: SentDump, to program: ServiceProgram, _ sealers: [String: DumpSealer]
  ) async throws {
    guard let sealer = sealers[dump.device] else { return }
    let kept = state.withLock { $0.sealed[dump] }
    let sealed = try kept ?? sealer.seal(sampleDump(key: dump.key, memory: dump.memory))
    state.withLock { $0.sealed[dump] = sealed }
    let path = DevicePath.dump(
      device: dump.device, bootCount: dump.key.bootCount, sequence: dump.key.sequence)
    let known = state.withLock { $0.acknowledged[dump] }
    let answer = try await program.send(.PUT, path, .bytes(ByteBuffer(bytes: sealed)))
    guard [.ok, .created].contains(answer.status) else {
      // Refused and not acknowledged: it is sent again, to the next service.
      if answer.status == .serviceUnavailable { throw CancellationError() }
      change { $0.problems.append("\(dump.key.text): \(answer.status) \(answer.message)") }
      return
    }
    let id = try answer.decoded(DumpReceipt.self).id
    state.withLock { state in
      if let known {
        if answer.status == .created { state.account.lost += 1 }
        if known != id { state.account.twice += 1 }
      }
      state.acknowledged[dump] = id
    }
  }

  /// Holds what was acknowledged against what the stores have.
  func check(_ folder: TestFolder) async throws -> KillAccount {
    let acknowledged = state.withLock { $0.acknowledged }
    try await ServiceBench.run(folder: folder, setUp: false, clock: .present()) { bench in
      var rows: [String: Int] = [:]
      for store in bench.service.dumps.all {
        let found = try await store.database.read { db in
          try db.rows("SELECT deviceId, bootCount, sequence FROM dumps").map { row in
            let device: String = try row["deviceId"]
            let (bootCount, sequence): (Int, Int) = (try row["bootCount"], try row["sequence"])
            return "\(device) \(bootCount)-\(sequence)"
          }
        }
        for name in found { rows[name, default: 0] += 1 }
      }
      for (dump, id) in acknowledged {
        let content = try await bench.service.dumps.content(id, now: bench.clock.now)
        let isWhole = content?.range(of: Data(dump.memory)) != nil
        let number = rows["\(dump.device) \(dump.key.text)"] ?? 0
        self.change {
          if !isWhole || number == 0 { $0.lost += 1 }
          if number > 1 { $0.twice += number - 1 }
        }
      }
      // One that was stored and whose answer was lost was sent again and acknowledged then.
      self.change { $0.acknowledged = acknowledged.count }
      #expect(rows.count == acknowledged.count)
    }
    return state.withLock { $0.account }
  }
}
