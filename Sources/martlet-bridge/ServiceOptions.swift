// How commands name the crash service.

import ArgumentParser
import HostBridge
import ServiceAPI

/// The crash service, what to show it and whom to trust for it.
struct ServiceOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The crash service's address.", valueName: "url"))
  var service = "https://127.0.0.1:8730"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A file with the token to log in with. (default: the token in $MARTLET_TOKEN)",
      valueName: "file"))
  var tokenFile: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Trust the authorities in this PEM file beside the system's; a service's own is tls/ca.pem in "
        + "its data folder. (default: $MARTLET_CA)", valueName: "file"))
  var ca: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A PEM file with the certificate to log in with, instead of a token (martlet-service "
        + "certificate create makes one).", valueName: "file"))
  var certificate: String?

  @Option(
    name: .long,
    help: ArgumentHelp("The key of that certificate, as PEM.", valueName: "file"))
  var key: String?

  /// A client of that service.
  ///
  /// - Throws: `HostBridgeError` for an address or a file that is none, `ServiceLoginFailure`.
  func client() throws -> HTTPServiceClient {
    try HTTPServiceClient(
      service: service,
      login: ServiceLogin(
        tokenFile: tokenFile, authorities: ca, certificate: certificate, key: key))
  }
}
