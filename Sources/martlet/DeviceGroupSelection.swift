// Which device groups a command is about: some by name or id, or all of a product, a catalog or everywhere.

import ArgumentParser
import NIOHTTP1
import ServiceAPI

/// Options that name device groups.
struct DeviceGroupSelection: ParsableArguments {
  @Option(
    name: [.short, .long],
    help:
      "The catalog. (default: $MARTLET_CATALOG, the configuration, default; with --all every one)")
  var catalog: String?

  @OptionGroup var scope: ScopeOptions

  @Option(name: [.short, .long], help: "The product that the groups are of.")
  var product: String?

  @Option(name: [.short, .long], help: "A group of the product. May be given several times.")
  var deviceGroup: [String] = []

  @Option(parsing: .upToNextOption, help: "Resource ids of groups, as the service shows them.")
  var ids: [String] = []

  @Flag(
    help: ArgumentHelp(
      "Every group: of the product or the catalog that is given, or else of all catalogs of the "
        + "subscription."))
  var all = false

  /// Whether nothing is selected.
  var isEmpty: Bool { !all && deviceGroup.isEmpty && ids.isEmpty }

  /// Whether the groups were not named one by one.
  var isAll: Bool { all }

  func validate() throws {
    guard !all || (deviceGroup.isEmpty && ids.isEmpty) else {
      throw ValidationError("--all selects every group; name none beside it.")
    }
    guard deviceGroup.isEmpty || product != nil else {
      throw ValidationError("--device-group needs the --product that the group is of.")
    }
    for id in ids where DeviceGroupReference(resourceID: id) == nil {
      throw ValidationError("'\(id)' is not the resource id of a device group.")
    }
  }

  /// The groups, before anything is done with them. What cannot be listed is in there as failed.
  func find(with client: ServiceClient) async throws -> [ConsentOutcome] {
    guard !all, !isEmpty else { return try await listed(with: client) }
    var found: [ConsentOutcome] = []
    if let product {
      let reference = ProductReference(
        catalog: CatalogReference(
          scope: try scope.scope(), name: try CatalogOptions.name(catalog)), name: product)
      found = deviceGroup.map {
        ConsentOutcome(DeviceGroupReference(product: reference, name: $0))
      }
    }
    found += ids.compactMap { DeviceGroupReference(resourceID: $0).map(ConsentOutcome.init) }
    var seen: Set<String> = []
    return found.filter { seen.insert(($0.id ?? "").lowercased()).inserted }
  }

  private func listed(with client: ServiceClient) async throws -> [ConsentOutcome] {
    let scope = try scope.scope()
    if let product {
      let catalog = CatalogReference(scope: scope, name: try CatalogOptions.name(catalog))
      let groups: [DeviceGroupResource] = try await client.list(
        ProductReference(catalog: catalog, name: product).deviceGroupsPath)
      return groups.map(ConsentOutcome.init)
    }
    if let catalog {
      return try await groups(of: CatalogReference(scope: scope, name: catalog), client)
    }
    let catalogs: [CatalogResource] = try await client.list(scope.everyCatalogPath)
    var found: [ConsentOutcome] = []
    for catalog in catalogs {
      guard let reference = CatalogReference(resourceID: catalog.id) else { continue }
      do {
        found += try await groups(of: reference, client)
      } catch {
        found.append(ConsentOutcome(unreadable: reference, "\(error)"))
      }
    }
    return found
  }

  private func groups(of catalog: CatalogReference, _ client: ServiceClient) async throws
    -> [ConsentOutcome]
  {
    let groups: [DeviceGroupResource] = try await client.list(
      catalog.listDeviceGroupsPath, method: .POST)
    return groups.map(ConsentOutcome.init)
  }
}
