// The end of dumps in all regions, and the proof of it.

import Foundation
import ServiceAPI

extension CrashService {
  /// Deletes what is over in every region: keys first, then rows.
  @discardableResult
  public func deleteOverdue() async throws -> RetentionReport {
    let now = now()
    let shorter = try await management.shorterPeriods()
    try await management.forgetWindows(now: now)
    for store in dumps.all {
      try await store.forgetWindows(now: now)
      var (keys, rows) = try await store.deleteOver(now: now)
      for (group, days) in shorter {
        let (groupKeys, groupRows) = try await store.deleteOver(days: days, group: group, now: now)
        keys += groupKeys
        rows += groupRows
      }
      metrics.deleted(dumps: rows, keys: keys, in: store.region)
      guard keys + rows > 0 else { continue }
      logger.notice(
        "dumps deleted",
        metadata: [
          "region": "\(store.region.rawValue)", "dumps": "\(rows)", "keys": "\(keys)",
        ])
    }
    dumps.noteDeletion()
    metrics.lookedThrough(at: now)
    return try await retentionReport()
  }

  /// What is there although it is over, by what the databases say now.
  public func retentionReport() async throws -> RetentionReport {
    let now = now()
    let shorter = try await management.shorterPeriods()
    var regions: [RetentionReport.Region] = []
    for store in dumps.all {
      var (keys, rows) = try await store.over(now: now)
      for (group, days) in shorter {
        let (groupKeys, groupRows) = try await store.over(days: days, group: group, now: now)
        keys += groupKeys
        rows += groupRows
      }
      regions.append(
        RetentionReport.Region(
          region: store.region.rawValue, dumps: try await store.count(DumpFilter()),
          oldest: try await store.oldest(), overdueDumps: rows, overdueKeys: keys))
    }
    return RetentionReport(
      now: now, days: RetentionPeriod.mostDays, shorterGroups: shorter.count, regions: regions)
  }
}
