// Options of commands that work on a service's data folder, beside the service that runs on it.

import ArgumentParser
import CrashService
import Foundation
import ServiceAPI

/// Which data folder.
struct DataOptions: ParsableArguments {
  @Option(help: "The folder of the service.", completion: .directory)
  var data: String

  var folder: URL { URL(fileURLWithPath: data) }
}

/// The master key of a data folder.
struct MasterKeyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A file with the master key in base64, outside of the data folder and not readable by other "
        + "users. (default: $MARTLET_MASTER_KEY, ${XDG_CONFIG_HOME:-~/.config}/martlet/"
        + "service-master.key)"),
    completion: .file())
  var masterKeyFile: String?

  func source(dataFolder: URL) -> MasterKeySource {
    MasterKeySource(file: masterKeyFile.map { URL(fileURLWithPath: $0) }, dataFolder: dataFolder)
  }
}

/// The catalogs that a caller may reach.
struct GrantOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A catalog that it is for; repeat it for more. It need not exist yet. (default: all)",
      valueName: "name"))
  var catalog: [String] = []

  @Option(name: [.customShort("g"), .long], help: "The catalogs' resource group.")
  var resourceGroup = CatalogScope.defaultResourceGroup

  @Option(help: "The catalogs' subscription.")
  var subscription = CatalogScope.defaultSubscription

  var grant: CatalogGrant {
    guard !catalog.isEmpty else { return .all }
    let scope = CatalogScope(subscription: subscription, resourceGroup: resourceGroup)
    return .only(catalog.map { CatalogReference(scope: scope, name: $0) })
  }

  func validate() throws {
    guard catalog.allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError("--catalog is a name.")
    }
  }
}

/// Opens the credentials of a service, and closes them behind `body`.
func withAccess<Value>(
  _ options: DataOptions, _ body: (AccessStore) async throws -> Value
) async throws -> Value {
  // What is written is for the service's user alone.
  umask(0o077)
  let store = try await AccessStore.open(in: options.folder, storage: .chosen())
  do {
    let value = try await body(store)
    try await store.close()
    return value
  } catch {
    try? await store.close()
    throw error
  }
}

extension ServiceStorage {
  /// What the environment says.
  static func chosen() throws(ServiceStartFailure) -> ServiceStorage {
    try ServiceStorage(environment: ProcessInfo.processInfo.environment)
  }
}

extension Role: ExpressibleByArgument {}
