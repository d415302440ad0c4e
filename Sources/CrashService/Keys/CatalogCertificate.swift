// X.509 certificates that a catalog's signing key makes.

import Crypto
import Foundation
import SwiftASN1
import ServiceAPI
import X509

/// A certificate of a catalog, or one that proves that the service has the catalog's key.
///
/// What is signed here is a TBSCertificate, an ASN.1 sequence: it begins with 0x30, and a lease with its
/// magic number (docs/formats/lease.md), so that neither passes for the other.
struct CatalogCertificate: Sendable {
  /// Devices trust the key for life, so the certificate is to live as long.
  static let lifetime: TimeInterval = 25 * 365 * 86_400
  /// A proof is shown to somebody at once.
  static let proofLifetime: TimeInterval = 86_400

  let der: [UInt8]
  let certificate: Certificate

  init(der: [UInt8]) throws {
    self.der = der
    certificate = try Certificate(derEncoded: der)
  }

  private init(_ certificate: Certificate) throws {
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    self.certificate = certificate
    der = serializer.serializedBytes
  }

  /// The catalog's own: signed with the key that it is about.
  init(ofCatalog tenantID: String, key: P256.Signing.PrivateKey, at now: Date) throws {
    let name = try Self.name(ofCatalog: tenantID)
    let key = Certificate.PrivateKey(key)
    try self.init(
      Certificate(
        version: .v3, serialNumber: .init(), publicKey: key.publicKey,
        notValidBefore: now, notValidAfter: now + Self.lifetime, issuer: name, subject: name,
        extensions: Certificate.Extensions {
          Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
          Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
        },
        issuerPrivateKey: key))
  }

  /// One whose subject is what somebody else chose, which nobody without the catalog's key can make.
  init(
    provingTo nonce: String, ofCatalog tenantID: String, key: P256.Signing.PrivateKey, at now: Date
  ) throws {
    try self.init(
      Certificate(
        version: .v3, serialNumber: .init(),
        // Nobody keeps the private half: the certificate is for nothing else.
        publicKey: Certificate.PrivateKey(P256.Signing.PrivateKey()).publicKey,
        notValidBefore: now, notValidAfter: now + Self.proofLifetime,
        issuer: Self.name(ofCatalog: tenantID), subject: DistinguishedName { CommonName(nonce) },
        extensions: Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
          Critical(KeyUsage(digitalSignature: true))
        },
        issuerPrivateKey: Certificate.PrivateKey(key)))
  }

  private static func name(ofCatalog tenantID: String) throws -> DistinguishedName {
    try DistinguishedName {
      OrganizationName("Martlet")
      CommonName("Martlet catalog \(tenantID)")
    }
  }

  /// In hex, upper case.
  var serialNumber: String { hex(certificate.serialNumber.bytes) }

  func properties(at now: Date) -> CertificateProperties {
    CertificateProperties(
      certificate: Data(der).base64EncodedString(),
      status: now < certificate.notValidAfter ? .active : .expired,
      subject: "\(certificate.subject)",
      thumbprint: hex(Insecure.SHA1.hash(data: der)), expiryUtc: certificate.notValidAfter,
      notBeforeUtc: certificate.notValidBefore)
  }

  /// The certificate alone in a PKCS #7 bag: it is its own chain.
  var chain: [UInt8] {
    get throws {
      var serializer = DER.Serializer()
      try serializer.appendConstructedNode(identifier: .sequence) { content in
        try content.serialize([1, 2, 840, 113_549, 1, 7, 2] as ASN1ObjectIdentifier)
        try content.appendConstructedNode(identifier: Self.explicitZero) { explicit in
          try explicit.appendConstructedNode(identifier: .sequence) { try signedData(&$0) }
        }
      }
      return serializer.serializedBytes
    }
  }

  /// RFC 5652, section 5.1, without digests, content and signers.
  private func signedData(_ content: inout DER.Serializer) throws {
    try content.serialize(1)
    content.appendConstructedNode(identifier: .set) { _ in }
    try content.appendConstructedNode(identifier: .sequence) { inner in
      try inner.serialize([1, 2, 840, 113_549, 1, 7, 1] as ASN1ObjectIdentifier)
    }
    try content.appendConstructedNode(identifier: Self.explicitZero) {
      try $0.serialize(certificate)
    }
    content.appendConstructedNode(identifier: .set) { _ in }
  }

  private static let explicitZero = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)
}

private func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
}
