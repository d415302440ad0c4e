// The certificate of a catalog, as the Resource Manager dialect shows it.

import Foundation

public enum CertificateStatus: String, ClosedChoice {
  case active = "Active"
  case inactive = "Inactive"
  case expired = "Expired"
  case revoked = "Revoked"
}

public struct CertificateProperties: Codable, Equatable, Sendable {
  /// The certificate: base64 of its DER.
  public var certificate: String
  public var status: CertificateStatus
  public var subject: String
  /// SHA-1 of the DER, 40 hex digits: a name for the certificate, not a proof of anything.
  public var thumbprint: String
  public var expiryUtc: Date
  public var notBeforeUtc: Date
  public var provisioningState: ProvisioningState

  public init(
    certificate: String, status: CertificateStatus, subject: String, thumbprint: String,
    expiryUtc: Date, notBeforeUtc: Date, provisioningState: ProvisioningState = .succeeded
  ) {
    self.certificate = certificate
    self.status = status
    self.subject = subject
    self.thumbprint = thumbprint
    self.expiryUtc = expiryUtc
    self.notBeforeUtc = notBeforeUtc
    self.provisioningState = provisioningState
  }
}

/// Its name is the serial number, in hex.
public typealias CertificateResource = Resource<CertificateProperties>

/// The answer of `retrieveCertChain`.
public struct CertificateChain: Codable, Equatable, Sendable {
  /// Base64 of the DER of a PKCS #7 bag of certificates (RFC 5652 without content and signers).
  public var certificateChain: String

  public init(certificateChain: String) { self.certificateChain = certificateChain }
}

/// The body of `retrieveProofOfPossessionNonce`.
public struct ProofOfPossessionRequest: Codable, Equatable, Sendable {
  /// 1 to 64 letters, digits, `-`, `.`, `_` and `~`.
  public var proofOfPossessionNonce: String

  public init(proofOfPossessionNonce: String) {
    self.proofOfPossessionNonce = proofOfPossessionNonce
  }
}
