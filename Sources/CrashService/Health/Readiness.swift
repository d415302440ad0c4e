// Whether the service can do its work at this moment.

import Foundation
import SQLStorage
import ServiceAPI
import Synchronization

/// Asks everything that the service needs. Of many who ask at once one goes and all get its answer, so that
/// asking costs the same whoever does it how often.
final class Readiness: Sendable {
  /// One thing that has to be right.
  struct Check: Sendable {
    var name: String
    /// What is wrong, in words that anybody may read; `nil` when nothing is.
    var problem: @Sendable () async -> String?
  }

  private struct State {
    var checks: [Check]
    var isStopping = false
    var current: Task<ReadinessReport, Never>?
  }

  private let patience: Duration
  private let state: Mutex<State>

  /// - Parameter patience: how long a check may take.
  init(_ checks: [Check] = [], patience: Duration = .seconds(2)) {
    self.patience = patience
    state = Mutex(State(checks: checks))
  }

  /// Adds a check, or takes it in the place of one with that name.
  func add(_ check: Check) {
    state.withLock { state in
      state.checks.removeAll { $0.name == check.name }
      state.checks.append(check)
    }
  }

  /// From now on the service is not ready: it ends.
  func beginStopping() { state.withLock { $0.isStopping = true } }

  func report() async -> ReadinessReport {
    let task = state.withLock { state in
      if let current = state.current { return current }
      let (checks, isStopping) = (state.checks, state.isStopping)
      let task = Task { await self.run(checks, isStopping: isStopping) }
      state.current = task
      return task
    }
    return await task.value
  }

  private func run(_ checks: [Check], isStopping: Bool) async -> ReadinessReport {
    defer { state.withLock { $0.current = nil } }
    let running = ReadinessReport.Check(
      "running", problem: isStopping ? "The service is about to end." : nil)
    let found = await withTaskGroup(of: ReadinessReport.Check.self) { group in
      for check in checks {
        group.addTask { await check.answer(within: self.patience) }
      }
      return await group.reduce(into: [:]) { $0[$1.name] = $1 }
    }
    return ReadinessReport([running] + checks.compactMap { found[$0.name] })
  }
}

extension Readiness.Check {
  fileprivate func answer(within patience: Duration) async -> ReadinessReport.Check {
    do {
      return ReadinessReport.Check(name, problem: try await within(patience, problem))
    } catch {
      return ReadinessReport.Check(name, problem: "It does not answer.")
    }
  }
}

extension Readiness.Check {
  /// A database answers. Where it is and what it says is for the log alone.
  static func database(_ name: String, _ database: any SQLDatabase) -> Readiness.Check {
    Readiness.Check(name: "database.\(name)") {
      do {
        _ = try await database.read { try $0.row("SELECT 1 AS value") }
        return nil
      } catch let failure as SQLFailure {
        return "The database cannot be used (\(failure.code.rawValue))."
      } catch {
        return "The database cannot be used."
      }
    }
  }

  /// There is room where files are written.
  /// - Parameter free: bytes that are free; `nil` when that cannot be told.
  static func disk(_ free: @escaping @Sendable () -> Int?) -> Readiness.Check {
    Readiness.Check(name: "disk") {
      guard let free = free() else { return "How much room the disk has cannot be told." }
      guard free < leastFree else { return nil }
      return "The disk has \(free >> 20) MiB left; \(leastFree >> 20) MiB are the least."
    }
  }

  /// Bytes that are free on a disk on which dumps can be stored for a while.
  static let leastFree = 64 << 20

  /// The system's clock runs as it should.
  static func clock(_ clock: ServiceClock) -> Readiness.Check {
    Readiness.Check(name: "clock") {
      let (way, jump): (String, Duration) =
        switch clock.condition {
        case .steady: ("", .zero)
        case .ahead(let jump): ("ahead", jump)
        case .behind(let jump): ("back", jump)
        }
      guard jump > .zero else { return nil }
      return
        "The system's clock jumped \(way) by \(jump.components.seconds) s. Dumps are received and "
        + "deleted by the time that was expected, until the clock is right again or has run steadily "
        + "for an hour."
    }
  }
}

extension Readiness.Check {
  /// The server's certificate is good at this moment; otherwise nobody is served.
  static func certificate(_ security: TransportSecurity) -> Readiness.Check {
    Readiness.Check(name: "certificate") {
      security.context() == nil ? "The server's certificate is not valid now." : nil
    }
  }
}

/// Bytes that are free for this user on the disk of a folder; `nil` when the system does not say.
func freeBytes(of folder: URL) -> Int? {
  var status = statvfs()
  guard statvfs(folder.path, &status) == 0 else { return nil }
  return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
}
