// The certificate that the service shows, and where it comes from.

import Crypto
import Foundation
import NIOSSL
import X509

/// Where a server's certificate comes from.
public enum ServerCertificateSource: Sendable {
  /// The service's own authority, for these host names and addresses beside those of the machine.
  case authority(CertificateAuthority, dataFolder: URL, masterKey: MasterKey, names: [String])
  /// Two PEM files of the operator's: a certificate with its chain, and its key.
  case files(certificate: URL, key: URL)
}

/// A certificate with its key, ready to be shown, until it ends.
struct ServerCertificate: Sendable {
  /// The certificate itself first.
  let chain: [NIOSSLCertificate]
  let key: NIOSSLPrivateKey
  let notValidBefore: Date
  let notValidAfter: Date

  func isValid(at time: Date) -> Bool { notValidBefore <= time && time < notValidAfter }

  /// What a connection is set up with. Clients that show a certificate are held against `clients`; they need
  /// not show any.
  func context(clients: CertificateAuthority) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    configuration.trustRoots = .certificates([
      try NIOSSLCertificate(
        bytes: Array(clients.certificate.serializeAsPEM().derBytes), format: .der)
    ])
    configuration.certificateVerification = .optionalVerification
    return try NIOSSLContext(configuration: configuration)
  }
}

extension ServerCertificateSource {
  /// The certificate to show now; one of the service's own authority is made when there is none, or less than a
  /// third of its time is left, or it is for other names.
  func certificate(now: Date) throws -> ServerCertificate {
    switch self {
    case .authority(let authority, let dataFolder, let masterKey, let names):
      try Self.own(
        authority, TLSFolder(dataFolder, masterKey: masterKey),
        names: ["localhost", "127.0.0.1", "::1", ProcessInfo.processInfo.hostName] + names,
        now: now)
    case .files(let certificate, let key):
      try Self.read(certificate, key)
    }
  }

  private static func own(
    _ authority: CertificateAuthority, _ folder: TLSFolder, names: [String], now: Date
  ) throws -> ServerCertificate {
    let wanted = Set(names.compactMap(generalName))
    if let (certificate, key) = try folder.load("server"), authority.issued(certificate),
      now >= certificate.notValidBefore,
      certificate.notValidAfter.timeIntervalSince(now) > CertificateAuthority.serverLifetime / 3,
      let covered = try? certificate.extensions.subjectAlternativeNames,
      wanted.isSubset(of: Set(covered))
    {
      return try ServerCertificate(certificate, key)
    }
    let key = P256.Signing.PrivateKey()
    let certificate = try authority.server(names, key: key, now: now)
    try folder.store(certificate, key, as: "server")
    return try ServerCertificate(certificate, key)
  }

  private static func read(_ certificateFile: URL, _ keyFile: URL) throws -> ServerCertificate {
    let chain = try NIOSSLCertificate.fromPEMFile(certificateFile.path)
    guard let first = chain.first else {
      throw ServiceStartFailure.certificate(
        "\(certificateFile.path) holds no certificate",
        "Name a file with the certificate and its chain in PEM form")
    }
    let leaf = try Certificate(derEncoded: first.toDERBytes())
    return ServerCertificate(
      chain: chain, key: try NIOSSLPrivateKey(file: keyFile.path, format: .pem),
      notValidBefore: leaf.notValidBefore, notValidAfter: leaf.notValidAfter)
  }

  /// What changes when the files do; `nil` for a certificate of the service's own.
  var fingerprint: String? {
    guard case .files(let certificate, let key) = self else { return nil }
    return [certificate, key].map { file in
      var status = stat()
      guard stat(file.path, &status) == 0 else { return "missing" }
      return "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)"
    }.joined(separator: " ")
  }
}

extension ServerCertificate {
  fileprivate init(_ certificate: Certificate, _ key: P256.Signing.PrivateKey) throws {
    self.init(
      chain: [
        try NIOSSLCertificate(
          bytes: Array(certificate.serializeAsPEM().derBytes), format: .der)
      ],
      key: try NIOSSLPrivateKey(bytes: Array(key.pemRepresentation.utf8), format: .pem),
      notValidBefore: certificate.notValidBefore, notValidAfter: certificate.notValidAfter)
  }
}

extension ServiceStartFailure {
  static func certificate(_ message: String, _ remedy: String) -> ServiceStartFailure {
    ServiceStartFailure(code: .certificateNotUsable, message: message, remedy: remedy)
  }
}
