// `martlet catalog`.

import ArgumentParser
import ServiceAPI

struct CatalogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "Catalogs: what holds products and devices of one owner.",
    subcommands: [Create.self, Show.self, List.self, Delete.self])

  struct Name: ParsableArguments {
    @Option(
      name: [.short, .long],
      help: "The catalog. (default: $MARTLET_CATALOG, the configuration, default)")
    var name: String?

    @OptionGroup var scope: ScopeOptions

    func reference() throws -> CatalogReference {
      CatalogReference(scope: try scope.scope(), name: try CatalogOptions.name(name))
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes a catalog.")
    @OptionGroup var name: Name
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: CatalogResource = try await options.client()
        .put(try name.reference().path, CatalogChange(location: "global"))
      try options.output.show(CatalogRow(resource: resource))
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows a catalog.")
    @OptionGroup var name: Name
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: CatalogResource = try await options.client().get(try name.reference().path)
      try options.output.show(CatalogRow(resource: resource))
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the catalogs of a resource group.")
    @OptionGroup var scope: ScopeOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let found: [CatalogResource] = try await options.client()
        .list(try scope.scope().catalogsPath)
      try options.output.show(
        found.map(CatalogRow.init), none: "No catalogs. Make one with martlet catalog create.")
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deletes a catalog with its products and groups, and unclaims its devices.")
    @OptionGroup var name: Name
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let reference = try name.reference()
      if try await !options.client().delete(reference.path) {
        note("There was no catalog '\(reference.name)'.")
      }
    }
  }
}
