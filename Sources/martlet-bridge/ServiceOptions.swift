// How commands name the crash service.

import ArgumentParser
import HostBridge

/// The crash service and whom to trust for it.
struct ServiceOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The crash service's address.", valueName: "url"))
  var service = "http://127.0.0.1:8730"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Trust the authorities in this PEM file beside the system's, for a service with a certificate"
        + " of your own.", valueName: "file"))
  var serviceCa: String?

  /// A client of that service.
  ///
  /// - Throws: `HostBridgeError` for an address or a file that is none.
  func client() throws -> HTTPServiceClient {
    try HTTPServiceClient(service: service, authorities: serviceCa)
  }
}
