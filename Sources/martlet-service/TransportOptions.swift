// How callers reach the service: over TLS, unless told otherwise.

import ArgumentParser
import CrashService
import Foundation
import Logging

/// Where to listen, and with which certificate.
struct TransportOptions: ParsableArguments {
  @Option(help: "The address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 lets the system choose.")
  var port = 8730

  @Flag(help: "Listen in the clear instead of with TLS; on a loopback address alone.")
  var http = false

  @Option(
    help: ArgumentHelp(
      "A certificate of your own with its chain, as PEM. It is read again when it changes. "
        + "(default: one of the service's own authority)"),
    completion: .file())
  var tlsCertificate: String?

  @Option(help: "The key of that certificate, as PEM.", completion: .file())
  var tlsKey: String?

  @Option(help: "A file that gets the port once the service listens, for scripts.")
  var portFile: String?

  func validate() throws {
    guard (0...65535).contains(port) else {
      throw ValidationError("--port is a number from 0 to 65535, not \(port).")
    }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key belong together.")
    }
    guard http else { return }
    guard isLoopback else {
      throw ValidationError(
        "--http sends tokens and what is in dumps in the clear, so it takes a loopback address "
          + "alone: leave it away, or listen on 127.0.0.1.")
    }
    guard tlsCertificate == nil else {
      throw ValidationError("--http and --tls-certificate exclude one another.")
    }
  }

  private var isLoopback: Bool {
    var address = in_addr()
    if inet_pton(AF_INET, host, &address) == 1 {
      return UInt32(bigEndian: address.s_addr) >> 24 == 127
    }
    return host == "::1" || host == "localhost"
  }

  /// What the service listens with, and the file that its clients trust when that is its own authority.
  func transport(dataFolder: URL, masterKey: MasterKey, logger: Logger) throws -> (
    transport: Transport, authority: URL?
  ) {
    guard !http else { return (.plaintext, nil) }
    let authority = try CertificateAuthority(in: dataFolder, masterKey: masterKey, now: Date())
    if authority.isNew {
      logger.notice(
        "made a certificate authority: clients have to trust it",
        metadata: ["file": "\(authority.certificateFile.path)"])
    }
    let source: ServerCertificateSource
    if let tlsCertificate, let tlsKey {
      source = .files(
        certificate: URL(fileURLWithPath: tlsCertificate), key: URL(fileURLWithPath: tlsKey))
    } else {
      source = .authority(
        authority, dataFolder: dataFolder, masterKey: masterKey, names: [host])
    }
    let security = try TransportSecurity(source: source, clients: authority, logger: logger)
    return (.tls(security), tlsCertificate == nil ? authority.certificateFile : nil)
  }

  /// Tells scripts and people that connections are accepted.
  func announce(port: Int, authority: URL?, logger: Logger) {
    if let portFile {
      do {
        try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic)
      } catch {
        logger.error(
          "cannot write the port file",
          metadata: ["file": "\(portFile)", "reason": "\(error.localizedDescription)"])
      }
    }
    let name = host.contains(":") ? "[\(host)]" : host
    var text = "martlet-service: listening on \(http ? "http" : "https")://\(name):\(port)\n"
    if let authority {
      text += "martlet-service: clients trust it with --ca \(authority.path)\n"
    }
    FileHandle.standardOutput.write(Data(text.utf8))
  }
}
