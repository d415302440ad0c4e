// Options that many commands share.

import ArgumentParser
import Foundation
import ServiceAPI

/// How answers are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case json
  case table
  /// Cells with tabs between them, and no titles.
  case tsv
  case yaml
}

/// Where the service is and how its answers are shown.
struct ServiceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The service's address. (default: $MARTLET_SERVICE, the configuration, \(Defaults.service))"))
  var service: String?

  @Option(
    help: ArgumentHelp(
      "A file with the token to log in with. (default: the token in $MARTLET_TOKEN, the "
        + "configuration)"))
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "Trust the authorities in this PEM file beside the system's; a service's own is tls/ca.pem in "
        + "its data folder. (default: $MARTLET_CA, the configuration)"))
  var ca: String?

  @Option(name: [.short, .long], help: "How answers are printed.")
  var output = OutputFormat.table

  func client() throws -> ServiceClient {
    let defaults = try Defaults.load()
    let text =
      service ?? Defaults.environment("MARTLET_SERVICE") ?? defaults.service ?? Defaults.service
    guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host != nil
    else {
      throw CommandFailure(
        message: "'\(text)' is not the address of a service.",
        remedy: "Write it as in https://127.0.0.1:8730.")
    }
    // A token of the environment is somebody's wish for this command; the file's is for all.
    let isTokenGiven = Defaults.environment(ServiceLogin.tokenVariable) != nil
    do {
      let login = try ServiceLogin(
        tokenFile: tokenFile ?? (isTokenGiven ? nil : defaults.tokenFile),
        authorities: ca ?? Defaults.environment(ServiceLogin.authoritiesVariable) ?? defaults.ca)
      return try ServiceClient(
        address: text.hasSuffix("/") ? String(text.dropLast()) : text, login: login)
    } catch let failure as ServiceLoginFailure {
      throw CommandFailure(message: "\(failure.message).", remedy: failure.remedy)
    }
  }
}

/// Which resource group.
struct ScopeOptions: ParsableArguments {
  @Option(
    name: [.customShort("g"), .long],
    help: "The resource group. (default: the configuration, default)")
  var resourceGroup: String?

  @Option(help: "The subscription. (default: the configuration, a GUID of zeros)")
  var subscription: String?

  func scope() throws -> CatalogScope {
    let defaults = try Defaults.load()
    return CatalogScope(
      subscription: subscription ?? defaults.subscription ?? CatalogScope.defaultSubscription,
      resourceGroup: resourceGroup ?? defaults.resourceGroup ?? CatalogScope.defaultResourceGroup)
  }
}

/// Which catalog.
struct CatalogOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: "The catalog. (default: $MARTLET_CATALOG, the configuration, default)")
  var catalog: String?

  @OptionGroup var scope: ScopeOptions

  func reference() throws -> CatalogReference {
    CatalogReference(scope: try scope.scope(), name: try Self.name(catalog))
  }

  /// The catalog's name, from an option or from the defaults.
  static func name(_ option: String?) throws -> String {
    try option ?? Defaults.environment("MARTLET_CATALOG") ?? Defaults.load().catalog
      ?? Defaults.catalog
  }
}

/// Which product.
struct ProductOptions: ParsableArguments {
  @OptionGroup var catalog: CatalogOptions

  @Option(name: [.short, .long], help: "The product.")
  var product: String

  func reference() throws -> ProductReference {
    ProductReference(catalog: try catalog.reference(), name: product)
  }
}

/// Which device group.
struct DeviceGroupOptions: ParsableArguments {
  @OptionGroup var product: ProductOptions

  @Option(name: [.short, .long], help: "The device group.")
  var deviceGroup: String

  func reference() throws -> DeviceGroupReference {
    DeviceGroupReference(product: try product.reference(), name: deviceGroup)
  }
}

/// Which device.
struct DeviceOptions: ParsableArguments {
  @Option(help: "The device id, 128 hex digits.", transform: { try DeviceCommand.device($0) })
  var device: DeviceID
}

extension CrashDumpsCollection: ExpressibleByArgument {}
extension RegionalDataBoundary: ExpressibleByArgument {}
extension OSFeedType: ExpressibleByArgument {}
extension UpdatePolicy: ExpressibleByArgument {}
