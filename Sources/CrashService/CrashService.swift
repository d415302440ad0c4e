// The crash service: its stores, its routes and the HTTP application around them.

import Foundation
import Hummingbird
import Logging
import NIOCore
import SQLStorage
import ServiceAPI

/// A crash service on one data folder, or on databases of PostgreSQL that several of them share.
///
/// Management data lies in `martlet.sqlite`, dumps in one store per region beside it. A dump is
/// acknowledged when it is on disk, and never stored unless its device's group gives consent at that
/// moment. Every secret, and what is in the dumps, is encrypted under a master key that no store holds
/// (docs/service-keys.md).
public final class CrashService: Sendable {
  /// The largest page of any list.
  static let pageSize = 100

  let management: ManagementStore
  let dumps: DumpStores
  let limits: ServiceLimits
  let admission: Admission
  let clock: ServiceClock
  let logger: Logger
  let metrics = ServiceMetrics()
  let readiness: Readiness
  let started: Date
  /// Tokens and bridges' certificates.
  let access: AccessStore
  private let logins: LoginDirectory
  private let rates: RequestRates
  private let lock: FolderLock

  /// Opens the stores in a folder, and makes what is missing.
  /// - Parameters:
  ///   - dataFolder: made when it does not exist. One service at a time may use it.
  ///   - storage: where the databases are.
  ///   - masterKey: always the same for the same databases.
  ///   - loginAge: how long a token that was revoked may open something still.
  ///   - rates: how many requests callers may make.
  ///   - limits: how many dumps of one kind are enough.
  ///   - clock: tells the time for every date the service stores or shows.
  /// - Throws: ``ServiceStartFailure``.
  public init(
    dataFolder: URL, storage: ServiceStorage = .folder, masterKey: MasterKey,
    loginAge: Duration = .milliseconds(500), rates: RateLimits = RateLimits(),
    limits: ServiceLimits = ServiceLimits(),
    clock: ServiceClock = ServiceClock(),
    logger: Logger = Logger(label: "martlet-service")
  ) async throws {
    do {
      try FileManager.default.createDirectory(
        at: dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw ServiceStartFailure(
        code: .folderNotWritable,
        message: "Cannot make the data folder \(dataFolder.path): \(error.localizedDescription)",
        remedy: "Choose another folder with --data, or change who may write there")
    }
    lock = try FolderLock(dataFolder)
    self.clock = clock
    do {
      management = try await storage.management(
        in: dataFolder, masterKey: masterKey, now: { clock.now })
      dumps = DumpStores(
        eu: try await storage.dumps(
          of: .eu, in: dataFolder, masterKey: masterKey, metrics: metrics),
        usEast: try await storage.dumps(
          of: .usEast, in: dataFolder, masterKey: masterKey, metrics: metrics),
        usWest: try await storage.dumps(
          of: .usWest, in: dataFolder, masterKey: masterKey, metrics: metrics),
        limits: limits, metrics: metrics)
      // A clock that stands before what was stored already has jumped back.
      for store in dumps.all {
        if let newest = try await store.newest() { clock.advance(to: newest) }
      }
    } catch is SecretUnreadable {
      throw ServiceStartFailure(
        code: .wrongMasterKey,
        message: "The data folder \(dataFolder.path) was made with another master key than the one "
          + "given",
        remedy:
          "Start with that key (--master-key-file or \(MasterKeySource.variable)); without it "
          + "nobody can read what is in the folder")
    } catch let failure as ServiceStartFailure {
      throw failure
    } catch {
      throw ServiceStartFailure(
        code: .storeDamaged,
        message: storage.failure(error, dataFolder),
        remedy: storage.remedy)
    }
    let access = AccessStore(database: management.database)
    self.access = access
    logins = LoginDirectory(store: access, longestAge: loginAge)
    let begin = ContinuousClock.now
    self.rates = RequestRates(rates) { begin.duration(to: .now) }
    self.limits = limits
    admission = Admission(most: limits.mostIngests)
    started = clock.now
    readiness = Readiness(
      [.database("management", management.database)]
        + dumps.all.flatMap { store in
          [
            .database(store.region.storeName, store.database),
            .database("\(store.region.storeName)-keys", store.keys.database),
          ]
        } + [.disk { freeBytes(of: dataFolder) }, .clock(clock)])
    self.logger = logger
  }

  /// The time for every date the service stores or shows.
  func now() -> Date { clock.now }

  /// Closes the stores. Whatever is asked of the service afterwards fails.
  ///
  /// A process that ends need not call it: what was acknowledged is on disk.
  public func close() async throws {
    try await management.close()
    for store in dumps.all { try await store.close() }
    lock.release()
  }

  /// Everything that can be asked of the service. What devices ask comes first: the router compares a path with one
  /// after the other.
  var endpoints: [Endpoint] {
    let groups: [any EndpointGroup] = [
      LeaseRoutes(service: self), OfferRoutes(service: self), IngestRoutes(service: self),
      CountRoutes(service: self), ProvisioningRoutes(service: self), ConsentRoutes(service: self),
      HealthRoutes(service: self), MetricsRoutes(service: self), CatalogRoutes(service: self),
      CatalogListRoutes(service: self), ProductRoutes(service: self),
      DeviceGroupRoutes(service: self), DeviceRoutes(service: self),
      OperationRoutes(service: self), DumpRoutes(service: self),
      RetentionRoutes(service: self), TenantRoutes(service: self),
      ProviderRoutes(service: self), CertificateRoutes(service: self),
      ImageRoutes(service: self), DeploymentRoutes(service: self),
      OpenAPIRoutes { [unowned self] in endpoints },
    ]
    return groups.flatMap(\.endpoints)
  }

  /// What answers the requests of every API.
  func responder() -> ServiceResponder {
    let gate = AccessGate(
      logins: logins, management: management, rates: rates, now: now)
    let endpoints = endpoints
    return ServiceResponder { router in
      router.add(middleware: RequestObserver(metrics: metrics))
      router.add(middleware: ErrorMiddleware(metrics: metrics))
      for endpoint in endpoints { endpoint.register(on: router, behind: gate) }
      refuseOtherMethods(than: endpoints, on: router)
    }
  }
}
