// The service's own certificate authority: it vouches for the service to its clients, and for bridges to it.

import Crypto
import Foundation
import SwiftASN1
import X509

/// A private authority in a folder of the service's data: `ca.pem` for clients to trust, and its private key
/// encrypted under the master key. Made at the first start; P-256.
public struct CertificateAuthority: Sendable {
  /// How long the authority is good for, seconds: ten years.
  static let lifetime: TimeInterval = 3650 * 86_400
  /// How long a server's certificate is, seconds: 90 days. It is renewed by the service itself.
  static let serverLifetime: TimeInterval = 90 * 86_400
  /// How far clocks of clients may be behind, seconds.
  private static let leeway: TimeInterval = 3600

  /// The file that clients are told to trust.
  public let certificateFile: URL
  /// Whether it was made just now.
  public let isNew: Bool
  let certificate: Certificate
  private let key: P256.Signing.PrivateKey

  /// Opens the authority of a data folder, or makes it; anew when it is about to end.
  /// - Parameters:
  ///   - now: the time on the service's clock.
  ///   - makes: without it, none is made.
  /// - Throws: ``ServiceStartFailure``.
  public init(in dataFolder: URL, masterKey: MasterKey, now: Date, makes: Bool = true) throws {
    let folder = TLSFolder(dataFolder, masterKey: masterKey)
    certificateFile = folder.file("ca.pem")
    do {
      if let (certificate, key) = try folder.load("ca"),
        now + 2 * Self.serverLifetime < certificate.notValidAfter
      {
        (self.certificate, self.key, isNew) = (certificate, key, false)
        return
      }
      guard makes else {
        throw ServiceStartFailure.certificate(
          "There is no certificate authority in \(folder.url.path)",
          "Start the service once: it makes one, unless it is started with --http")
      }
      let key = P256.Signing.PrivateKey()
      let certificate = try Self.selfSigned(key, now: now)
      try folder.store(certificate, key, as: "ca")
      (self.certificate, self.key, isNew) = (certificate, key, true)
    } catch let failure as ServiceStartFailure {
      throw failure
    } catch is SecretUnreadable {
      throw ServiceStartFailure(
        code: .wrongMasterKey,
        message:
          "The certificate authority in \(folder.url.path) was made under another master key",
        remedy: "Start with that key, or remove the folder: then a new authority is made, which "
          + "clients have to trust anew")
    } catch {
      throw ServiceStartFailure(
        code: .certificateNotUsable,
        message: "The certificate authority in \(folder.url.path) cannot be used: \(error)",
        remedy: "Remove the folder: then a new one is made, which clients have to trust anew")
    }
  }

  private static func selfSigned(_ key: P256.Signing.PrivateKey, now: Date) throws -> Certificate {
    let name = try DistinguishedName { CommonName("Martlet crash service CA \(shortID())") }
    return try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
      notValidBefore: now - leeway, notValidAfter: now + lifetime, issuer: name, subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
      },
      issuerPrivateKey: .init(key))
  }

  /// Tells one authority from another in the lists of trusted ones.
  private static func shortID() -> String { String(UUID().uuidString.prefix(8)).lowercased() }

  /// A certificate for a server.
  /// - Parameter names: host names and addresses.
  func server(_ names: [String], key: P256.Signing.PrivateKey, now: Date) throws -> Certificate {
    try issue(
      to: "martlet-service", for: key.publicKey, now: now, lifetime: Self.serverLifetime,
      usage: .serverAuth, names: names.compactMap(generalName))
  }

  /// A certificate with which a bridge logs in.
  func client(_ name: String, key: P256.Signing.PrivateKey, now: Date, lifetime: TimeInterval)
    throws -> Certificate
  {
    try issue(
      to: name, for: key.publicKey, now: now, lifetime: lifetime, usage: .clientAuth, names: [])
  }

  private func issue(
    to name: String, for publicKey: P256.Signing.PublicKey, now: Date, lifetime: TimeInterval,
    usage: ExtendedKeyUsage.Usage, names: [GeneralName]
  ) throws -> Certificate {
    let end = min(now + lifetime, certificate.notValidAfter)
    return try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(publicKey),
      notValidBefore: now - Self.leeway, notValidAfter: end, issuer: certificate.subject,
      subject: try DistinguishedName { CommonName(name) }, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([usage])
        SubjectKeyIdentifier(hash: Certificate.PublicKey(publicKey))
        AuthorityKeyIdentifier(
          keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
        if !names.isEmpty { SubjectAlternativeNames(names) }
      },
      issuerPrivateKey: .init(key))
  }

  /// Whether it signed a certificate.
  func issued(_ other: Certificate) -> Bool {
    certificate.publicKey.isValidSignature(other.signature, for: other)
  }
}

/// An address when the text is one, otherwise a host name; `nil` for what is neither.
func generalName(_ text: String) -> GeneralName? {
  var four = in_addr()
  if inet_pton(AF_INET, text, &four) == 1 {
    return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: four) { [UInt8]($0)[...] }))
  }
  var six = in6_addr()
  if inet_pton(AF_INET6, text, &six) == 1 {
    return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: six) { [UInt8]($0)[...] }))
  }
  let isName = text.utf8.allSatisfy {
    $0.isAlphanumericASCII || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
  }
  return isName && !text.isEmpty ? .dnsName(text.asciiLowercased) : nil
}

extension UInt8 {
  fileprivate var isAlphanumericASCII: Bool {
    (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
  }
}
