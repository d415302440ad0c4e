// `martlet-bridge provision`: gives a board its identity, and the service its public key.

import ArgumentParser
import Foundation
import HostBridge
import SerialLink
import ServiceAPI

struct Provision: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give a board its identity and make it known to the service.",
    discussion: """
      Done once for each board, before it is claimed. The board makes a key of its own, which never \
      leaves it, and trusts the catalog's leases from then on; the service registers the public half \
      and checks a proof that the board has the other. Doing it again changes nothing: a board keeps \
      its identity for life.

      The board has to be attached and its line free: stop a bridge that runs for it. Addresses are \
      those of 'martlet-bridge run'.

      Without a way to the service: take an offer where there is one (docs/bridge.md), hand it to the \
      board within ten minutes, and bring back what it answers:
        martlet-bridge provision --board usb:A10K2Z9X --offer offer.json -o json > identity.json
        martlet device claim --identity identity.json --product demo --device-group bench

      Exits with 0 when the board has its identity and the service knows it, else with 1.

      Examples:
        martlet-bridge provision --board tty:/dev/ttyUSB0
        martlet-bridge provision --board usb:A10K2Z9X --catalog factory -o json
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @Option(name: .long, help: ArgumentHelp("Where the board is.", valueName: "address"))
  var board: String

  @OptionGroup var serviceOptions: ServiceOptions

  @Option(name: [.short, .long], help: "The catalog that the board is to belong to.")
  var catalog = "default"

  @Option(name: [.customShort("g"), .long], help: "The catalog's resource group.")
  var resourceGroup = CatalogScope.defaultResourceGroup

  @Option(name: .long, help: "The catalog's subscription.")
  var subscription = CatalogScope.defaultSubscription

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Hand this offer of the service to the board, and ask the service nothing.",
      valueName: "file"))
  var offer: String?

  @Option(name: [.short, .long], help: "How the identity is printed.")
  var output = Format.text

  func run() async throws {
    let address = try BoardAddress(parsing: board)
    let provisioner = BoardProvisioner()
    if let offer {
      show(try await provisioner.identify(address, by: try Self.readOffer(offer)), nil)
      return
    }
    let client = try serviceOptions.client()
    let (identity, registered) = try await provisioner.provision(
      address,
      for: ProvisioningRequest(
        subscription: subscription, resourceGroup: resourceGroup, catalog: catalog),
      by: client)
    show(identity, registered)
  }

  private static func readOffer(_ file: String) throws -> ProvisioningOffer {
    guard let bytes = FileManager.default.contents(atPath: file),
      let offer = try? JSONDecoder().decode(ProvisioningOffer.self, from: bytes)
    else {
      throw HostBridgeError(
        code: .invalidSetting, message: "\(file) holds no offer of the service's",
        remedy: "It is the answer to POST \(ProvisioningPath.offers), as JSON.")
    }
    return offer
  }

  private func show(_ identity: BoardIdentity, _ registered: RegisteredDevice?) {
    switch output {
    case .json: print(identity.json)
    case .text: print(identity.text(catalog: registered?.catalog))
    }
  }
}
