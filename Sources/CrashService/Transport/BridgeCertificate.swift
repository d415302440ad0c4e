// A certificate with which one bridge logs in.

import Crypto
import Foundation
import X509

/// A new certificate for a bridge, with its key and with what the service remembers of it. The key is nowhere
/// else.
public struct BridgeCertificate: Sendable {
  public let certificatePEM: String
  /// PKCS 8.
  public let keyPEM: String
  public let credential: Credential

  /// - Parameters:
  ///   - name: the bridge's.
  ///   - days: how long it is good for; never longer than the authority itself.
  public init(
    name: String, by authority: CertificateAuthority, catalogs: CatalogGrant, days: Int, now: Date
  ) throws {
    let key = P256.Signing.PrivateKey()
    let certificate = try authority.client(
      name, key: key, now: now, lifetime: TimeInterval(days) * 86_400)
    let pem = try certificate.serializeAsPEM()
    let peer = PeerCertificate(bytes: pem.derBytes)
    certificatePEM = pem.pemString + "\n"
    keyPEM = key.pemRepresentation + "\n"
    credential = Credential(
      .certificate, id: peer.id, digest: peer.digest, label: name, roles: [.bridge],
      catalogs: catalogs, createdAt: now, expiresAt: certificate.notValidAfter)
  }
}
