// The end of dumps in all regions, and the proof of it.

import Foundation
import ServiceAPI

extension CrashService {
  /// Deletes what is over in every region at the same time: keys first, then rows. What fails in one database does not keep
  /// anything in another.
  /// - Throws: the first failure, when all else is done.
  @discardableResult
  public func deleteOverdue() async throws -> RetentionReport {
    let now = now()
    var failure: (any Error)?
    var shorter: [(group: String, days: Int)] = []
    do {
      shorter = try await management.shorterPeriods()
      try await management.forgetWindows(now: now)
    } catch {
      failure = error
    }
    let failures: [any Error] = await withTaskGroup(of: (any Error)?.self) { [shorter] regions in
      for store in dumps.all {
        regions.addTask {
          do {
            try await self.deleteOverdue(in: store, shorter, now)
            return nil
          } catch {
            return error
          }
        }
      }
      return await regions.reduce(into: []) { failures, failure in
        if let failure { failures.append(failure) }
      }
    }
    failure = failure ?? failures.first
    dumps.noteDeletion()
    if let failure { throw failure }
    metrics.lookedThrough(at: now)
    return try await retentionReport(now: now, shorter: shorter)
  }

  private func deleteOverdue(
    in store: DumpStore, _ shorter: [(group: String, days: Int)], _ now: Date
  ) async throws {
    let (keys, rows) = try await Self.sum(shorter) { days, group in
      try await store.deleteOver(days: days, group: group, now: now)
    }
    metrics.deleted(dumps: rows, keys: keys, in: store.region)
    if keys + rows > 0 {
      logger.notice(
        "dumps deleted",
        metadata: [
          "region": "\(store.region.rawValue)", "dumps": "\(rows)", "keys": "\(keys)",
        ])
    }
    try await store.forgetWindows(now: now)
  }

  /// What is there although it is over, by what the databases say now.
  public func retentionReport() async throws -> RetentionReport {
    try await retentionReport(now: now(), shorter: try await management.shorterPeriods())
  }

  private func retentionReport(
    now: Date, shorter: [(group: String, days: Int)]
  ) async throws -> RetentionReport {
    var regions: [RetentionReport.Region] = []
    for store in dumps.all {
      let (keys, rows) = try await Self.sum(shorter) { days, group in
        try await store.over(days: days, group: group, now: now)
      }
      regions.append(
        RetentionReport.Region(
          region: store.region.rawValue, dumps: try await store.count(DumpFilter()),
          oldest: try await store.oldest(), overdueDumps: rows, overdueKeys: keys))
    }
    return RetentionReport(
      now: now, days: RetentionPeriod.mostDays, shorterGroups: shorter.count, regions: regions)
  }

  /// Keys and rows of all groups under the longest period, and of those with a shorter one under theirs.
  private static func sum(
    _ shorter: [(group: String, days: Int)],
    _ part: (_ days: Int, _ group: String?) async throws -> (keys: Int, dumps: Int)
  ) async throws -> (keys: Int, dumps: Int) {
    var sum = try await part(RetentionPeriod.mostDays, nil)
    for (group, days) in shorter {
      let more = try await part(days, group)
      sum.keys += more.keys
      sum.dumps += more.dumps
    }
    return sum
  }
}
