// Where a service keeps its data: in files of its folder, or on PostgreSQL servers.

import Foundation
import SQLStorage

/// The databases of a service.
public enum ServiceStorage: Sendable {
  /// SQLite files in the data folder. One process uses them.
  case folder
  /// PostgreSQL, for any number of processes.
  case postgres(PostgresStorage)

  /// Begins the names of the variables that ``init(environment:)`` reads.
  static let variable = "MARTLET_DATABASE_"

  /// PostgreSQL when the variables are there, the data folder when none is.
  ///
  /// `MARTLET_DATABASE_MANAGEMENT`, and for each of `EU`, `US_EAST` and `US_WEST` two:
  /// `MARTLET_DATABASE_EU` for its dumps and `MARTLET_DATABASE_EU_KEYS` for their keys. Each holds a
  /// connection string of libpq. `MARTLET_DATABASE_ALONE=1` says that no other process uses them.
  /// - Throws: ``ServiceStartFailure`` when some are missing or two are the same.
  public init(environment: [String: String]) throws(ServiceStartFailure) {
    let names =
      ["MANAGEMENT"] + Region.allCases.flatMap { [$0.variable, "\($0.variable)_KEYS"] }
    var targets: [String: String] = [:]
    for name in names {
      guard let value = environment[Self.variable + name], !value.isEmpty else { continue }
      targets[name] = value
    }
    if targets.isEmpty {
      self = .folder
      return
    }
    let missing = names.filter { targets[$0] == nil }
    guard missing.isEmpty, let management = targets["MANAGEMENT"] else {
      throw .databases(
        "Some databases are named and others are not: "
          + missing.map { Self.variable + $0 }.joined(separator: ", ") + " are missing")
    }
    guard Set(targets.values).count == names.count else {
      throw .databases("Two databases are the same: each region has its own, and so have its keys")
    }
    var regions: [Region: PostgresStorage.RegionTargets] = [:]
    for region in Region.allCases {
      guard let dumps = targets[region.variable], let keys = targets["\(region.variable)_KEYS"]
      else { continue }
      regions[region] = PostgresStorage.RegionTargets(dumps: dumps, keys: keys)
    }
    var storage = PostgresStorage(management: management, regions: regions)
    storage.isShared = environment["\(Self.variable)ALONE"] != "1"
    self = .postgres(storage)
  }
}

/// The databases of a service on PostgreSQL, as libpq's connection strings.
public struct PostgresStorage: Sendable {
  /// What lies in a region.
  public struct RegionTargets: Sendable {
    public var dumps: String
    /// A database that no backup of the dumps' contains: what is destroyed in it is gone.
    public var keys: String

    public init(dumps: String, keys: String) {
      self.dumps = dumps
      self.keys = keys
    }
  }

  public var management: String
  public var regions: [Region: RegionTargets]
  /// Of each of the seven databases.
  public var options: PostgresOptions
  /// Whether other processes use the databases as well. Without, an engine without advisory locks and
  /// NOTIFY will do.
  public var isShared = true
  /// ``PostgresFence``: how long a change of consent waits for a process that was cut off.
  public var grace = Duration.seconds(20)
  /// How many transactions of dumps a region's store runs at once.
  public var lanes = 2

  public init(
    management: String, regions: [Region: RegionTargets],
    options: PostgresOptions = PostgresOptions()
  ) {
    self.management = management
    self.regions = regions
    self.options = options
  }

  func targets(of region: Region) throws(ServiceStartFailure) -> RegionTargets {
    guard let targets = regions[region] else {
      throw .databases("The region \(region.rawValue) has no database")
    }
    return targets
  }
}

extension ServiceStorage {
  /// The database of management data, tokens included.
  func managementDatabase(in folder: URL) throws -> any SQLDatabase {
    switch self {
    case .folder: try SQLiteDatabase(at: ManagementStore.file(in: folder))
    case .postgres(let storage):
      PostgresDatabase(storage.management, options: storage.options)
    }
  }

  func management(in folder: URL, masterKey: MasterKey, now: @escaping @Sendable () -> Date)
    async throws -> ManagementStore
  {
    try await ManagementStore(
      database: managementDatabase(in: folder), fence: consentFence, masterKey: masterKey, now: now)
  }

  private var consentFence: PostgresFence? {
    guard case .postgres(let storage) = self, storage.isShared else { return nil }
    return PostgresFence(
      storage.management, name: "consent", grace: storage.grace, options: storage.options)
  }

  func dumps(of region: Region, in folder: URL, masterKey: MasterKey, metrics: ServiceMetrics)
    async throws -> DumpStore
  {
    switch self {
    case .folder:
      return try await DumpStore(
        region: region, in: folder, masterKey: masterKey, metrics: metrics)
    case .postgres(let storage):
      let targets = try storage.targets(of: region)
      return try await DumpStore(
        region: region, database: PostgresDatabase(targets.dumps, options: storage.options),
        keyDatabase: PostgresDatabase(targets.keys, options: storage.options),
        masterKey: masterKey, limits: GroupCommitLimits(lanes: storage.lanes), metrics: metrics)
    }
  }
}

extension ServiceStorage {
  /// Why a store cannot be opened, for people.
  func failure(_ error: any Error, _ folder: URL) -> String {
    switch self {
    case .folder: "A store in the data folder \(folder.path) cannot be opened: \(error)"
    case .postgres: "A database cannot be opened: \(error)"
    }
  }

  /// What to do about it.
  var remedy: String {
    switch self {
    case .folder: "Check the disk and its free space, or choose another folder with --data"
    case .postgres:
      "Check that the server runs and that the variables \(Self.variable)... name it (psql with the "
        + "same words must connect)"
    }
  }
}

extension Region {
  fileprivate var variable: String {
    switch self {
    case .eu: "EU"
    case .usEast: "US_EAST"
    case .usWest: "US_WEST"
    }
  }
}

extension ServiceStartFailure {
  fileprivate static func databases(_ message: String) -> ServiceStartFailure {
    ServiceStartFailure(
      code: .databasesNotUsable, message: message,
      remedy: "Name all seven databases with the variables \(ServiceStorage.variable)..., or none "
        + "(docs/service.md)")
  }
}
