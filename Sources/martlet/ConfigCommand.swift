// `martlet config`: the defaults that commands take.

import ArgumentParser
import Foundation
import ServiceAPI

struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Defaults that commands take when an option is absent.",
    subcommands: [Set.self, Show.self])

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sets defaults; those that are not named stay. An empty value removes one.")
    @Option(help: "The service's address.") var service: String?
    @Option(name: [.short, .long], help: "The catalog.") var catalog: String?
    @Option(name: [.customShort("g"), .long], help: "The resource group.")
    var resourceGroup: String?
    @Option(help: "The subscription.") var subscription: String?
    @Option(help: "A file with the token to log in with.") var tokenFile: String?
    @Option(help: "A PEM file with authorities to trust.") var ca: String?

    func validate() throws {
      let all = [service, catalog, resourceGroup, subscription, tokenFile, ca]
      guard all.contains(where: { $0 != nil }) else {
        throw ValidationError("Nothing to set. Give at least one of the options.")
      }
    }

    func run() async throws {
      var defaults = try Defaults.load()
      set(&defaults.service, service)
      set(&defaults.catalog, catalog)
      set(&defaults.resourceGroup, resourceGroup)
      set(&defaults.subscription, subscription)
      // Commands run in other folders than this one.
      set(&defaults.tokenFile, tokenFile.map(absolute))
      set(&defaults.ca, ca.map(absolute))
      try defaults.save()
    }

    private func absolute(_ path: String) -> String {
      path.isEmpty ? "" : URL(fileURLWithPath: path).path
    }

    private func set(_ value: inout String?, _ new: String?) {
      if let new { value = new.isEmpty ? nil : new }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows the defaults as commands see them, environment included.")
    @Option(name: [.short, .long], help: "How the answer is printed.")
    var output = OutputFormat.table

    func run() async throws {
      let defaults = try Defaults.load()
      try output.show(
        Row(
          file: Defaults.file.path,
          service: Defaults.environment("MARTLET_SERVICE") ?? defaults.service ?? Defaults.service,
          catalog: try CatalogOptions.name(nil),
          resourceGroup: defaults.resourceGroup ?? CatalogScope.defaultResourceGroup,
          subscription: defaults.subscription ?? CatalogScope.defaultSubscription,
          tokenFile: defaults.tokenFile,
          ca: Defaults.environment(ServiceLogin.authoritiesVariable) ?? defaults.ca))
    }
  }

  private struct Row: TableRow {
    static let titles = [
      "File", "Service", "Catalog", "ResourceGroup", "Subscription", "TokenFile", "CA",
    ]
    var file: String
    var service: String
    var catalog: String
    var resourceGroup: String
    var subscription: String
    var tokenFile: String?
    var ca: String?

    var cells: [String] {
      [file, service, catalog, resourceGroup, subscription, tokenFile ?? "", ca ?? ""]
    }
  }
}
