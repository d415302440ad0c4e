// The names of what the service counts, and what each of them tells.

import PrometheusMetrics

extension ServiceMetrics {
  /// Labels have few values, all of them the program's own: operations, regions, codes. No device, name or
  /// address is ever one.
  enum Name {
    static let requests = "martlet_service_requests_total"
    static let duration = "martlet_service_request_duration_seconds"
    static let refusals = "martlet_service_refusals_total"
    static let connections = "martlet_service_connections"
    static let dumps = "martlet_service_dumps_total"
    static let dumpBytes = "martlet_service_dump_bytes_total"
    static let offers = "martlet_service_offers_total"
    static let leases = "martlet_service_leases_total"
    static let commitItems = "martlet_service_commit_items"
    static let commitDuration = "martlet_service_commit_duration_seconds"
    static let commitWaiting = "martlet_service_commit_waiting"
    static let deletedDumps = "martlet_service_deleted_dumps_total"
    static let deletedKeys = "martlet_service_deleted_keys_total"
    static let lastDeletion = "martlet_service_last_deletion_timestamp_seconds"
    static let oldestDump = "martlet_service_oldest_dump_age_seconds"
    static let ready = "martlet_service_ready"
    static let databaseFailures = "martlet_service_database_failures_total"
  }

  static let families: [PrometheusFamily] = [
    .counter(Name.requests, "Requests that were answered, by class of status"),
    .histogram(
      Name.duration, "Time from the head of a request to the head of its answer",
      bounds: PrometheusFamily.seconds),
    .counter(Name.refusals, "Requests that were refused, by the code of the answer"),
    .gauge(Name.connections, "Connections that are open"),
    .counter(
      Name.dumps,
      "Dumps that were whole and opened, by what became of them: stored, present before, or in "
        + "conflict with another one"),
    .counter(Name.dumpBytes, "Bytes of the dumps that were stored, as they opened"),
    .counter(Name.offers, "Dumps that were offered, by what was answered"),
    .counter(Name.leases, "Leases that were signed, denials included"),
    .histogram(
      Name.commitItems, "Items that were committed with one transaction",
      bounds: [1, 2, 4, 8, 16, 32, 64, 128]),
    .histogram(
      Name.commitDuration, "Time that a transaction with several items took",
      bounds: PrometheusFamily.seconds),
    .gauge(Name.commitWaiting, "Items that wait for a transaction"),
    .counter(Name.deletedDumps, "Dumps that were deleted because their time was over"),
    .counter(Name.deletedKeys, "Keys of dumps that were destroyed because their time was over"),
    .gauge(Name.lastDeletion, "When dumps were last looked through for those whose time is over"),
    .gauge(Name.oldestDump, "Age of the oldest dump; 0 without any"),
    .gauge(Name.ready, "Whether what the service needs is as it should be, by what it is"),
    .counter(Name.databaseFailures, "Requests that failed because a database did, by its reason"),
  ]
}
