// `martlet product`.

import ArgumentParser
import ServiceAPI

struct ProductCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "product",
    abstract: "Products: what holds the device groups of one kind of board.",
    subcommands: [Create.self, Show.self, List.self, Delete.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes a product.")
    @OptionGroup var product: ProductOptions
    @Option(help: "Words about the product.") var description: String?
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: ProductResource = try await options.client()
        .put(try product.reference().path, ProductChange(description: description))
      try options.output.show(ProductRow(resource: resource))
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows a product.")
    @OptionGroup var product: ProductOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let resource: ProductResource = try await options.client().get(try product.reference().path)
      try options.output.show(ProductRow(resource: resource))
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the products of a catalog.")
    @OptionGroup var catalog: CatalogOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let found: [ProductResource] = try await options.client()
        .list(try catalog.reference().productsPath)
      try options.output.show(
        found.map(ProductRow.init),
        none: "No products. Make one with martlet product create --product <name>.")
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deletes a product and its groups; no device may be in them.")
    @OptionGroup var product: ProductOptions
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let reference = try product.reference()
      if try await !options.client().delete(reference.path) {
        note("There was no product '\(reference.name)'.")
      }
    }
  }
}
