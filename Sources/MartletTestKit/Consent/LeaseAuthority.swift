// The service's half of consent for tests: a catalog's keys, provisioning, and leases of any kind.

import Crypto
import Foundation
import LinkProtocol

/// Provisions boards and signs leases as a service does for one catalog.
///
/// ```swift
/// let authority = LeaseAuthority()
/// let challenge = [UInt8](repeating: 7, count: 16)
/// // ... send PROVISION with authority.provision(challenge:), take IDENTITY ...
/// let device = try authority.device(proving: identity, challenge: challenge)
/// let lease = authority.lease(for: hello, allowed: true)
/// ```
///
/// The same seed gives the same keys. Signatures differ from run to run, as ECDSA's do.
public struct LeaseAuthority: Sendable {
  /// Seconds a lease may last at most: 48 hours.
  public static let longestLifetime: UInt32 = 172_800

  public let signingKey: P256.Signing.PrivateKey
  /// Opens dumps; leases carry its public half.
  public let sealingKey: Curve25519.KeyAgreement.PrivateKey
  public let claimKey: Curve25519.KeyAgreement.PrivateKey
  /// Region in bits 31 to 24, month in bits 23 to 0; not zero.
  public var sealingKeyID: UInt32

  /// - Parameters:
  ///   - seed: other authorities have other seeds.
  ///   - sealingKeyID: November 2026 in the EU unless told.
  public init(seed: UInt64 = 1, sealingKeyID: UInt32 = 1 << 24 | (2026 * 12 + 10)) {
    var generator = SeededGenerator(seed: seed)
    signingKey = drawKey(from: &generator) {
      try P256.Signing.PrivateKey(rawRepresentation: $0)
    }
    sealingKey = drawKey(from: &generator) {
      try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0)
    }
    claimKey = drawKey(from: &generator) {
      try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0)
    }
    self.sealingKeyID = sealingKeyID
  }

  /// The public signing key as a board pins it: x then y, 64 bytes.
  public var signingKeyBytes: [UInt8] { [UInt8](signingKey.publicKey.rawRepresentation) }

  // MARK: - Provisioning

  /// The payload of PROVISION, 112 bytes.
  ///
  /// - Parameter challenge: 16 bytes.
  public func provision(challenge: [UInt8]) -> [UInt8] {
    signingKeyBytes + [UInt8](claimKey.publicKey.rawRepresentation) + challenge
  }

  /// Checks what a board answered in IDENTITY.
  ///
  /// - Parameters:
  ///   - identity: the payload, 96 bytes: public key, enc, proof.
  ///   - challenge: the one of PROVISION.
  /// - Returns: the board, when it has the private key.
  /// - Throws: ``ConsentFailure``.
  public func device(
    proving identity: [UInt8], challenge: [UInt8]
  ) throws(ConsentFailure) -> ProvisionedDevice {
    guard identity.count == 96 else { throw .malformedIdentity }
    let device = ProvisionedDevice(publicKey: Array(identity[..<32]))
    let expected = try proof(of: device, enc: Array(identity[32..<64]), challenge: challenge)
    guard expected == Array(identity[64...]) else { throw .wrongProof }
    return device
  }

  private func proof(
    of device: ProvisionedDevice, enc: [UInt8], challenge: [UInt8]
  ) throws(ConsentFailure) -> [UInt8] {
    do {
      let exchange = try HPKE.Recipient(
        privateKey: claimKey, ciphersuite: .Curve25519_SHA256_ChachaPoly,
        info: ProvisionedDevice.claimInfo(challenge: challenge, signingKey: signingKeyBytes),
        encapsulatedKey: Data(enc), authenticatedBy: .init(rawRepresentation: device.publicKey))
      return try exchange.exportSecret(
        context: ProvisionedDevice.proofContext, outputByteCount: 32
      ).withUnsafeBytes { Array($0) }
    } catch {
      throw .wrongProof
    }
  }

  // MARK: - Leases

  /// What a good lease says.
  ///
  /// - Parameters:
  ///   - device: 64 bytes.
  ///   - nonce: 16 bytes, the device's latest.
  ///   - lifetime: seconds; a denial has none.
  public func terms(
    device: [UInt8], nonce: [UInt8], allowed: Bool = true, epoch: UInt32 = 1,
    lifetime: UInt32 = LeaseAuthority.longestLifetime, dumpsPerFingerprint: UInt8 = 0,
    knownFingerprints: [UInt32] = []
  ) -> LeaseTerms {
    var terms = LeaseTerms(
      verdict: allowed ? 1 : 0, dumpsPerFingerprint: dumpsPerFingerprint, nonce: nonce,
      epoch: epoch, lifetime: allowed ? lifetime : 0, device: device,
      sealingKeyID: allowed ? sealingKeyID : 0,
      sealingKey: allowed
        ? [UInt8](sealingKey.publicKey.rawRepresentation) : [UInt8](repeating: 0, count: 32))
    terms.knownFingerprints = knownFingerprints
    return terms
  }

  /// The same for the board that said `hello`, with the nonce it showed there.
  public func terms(
    for hello: Hello, allowed: Bool = true, epoch: UInt32 = 1,
    lifetime: UInt32 = LeaseAuthority.longestLifetime, dumpsPerFingerprint: UInt8 = 0,
    knownFingerprints: [UInt32] = []
  ) -> LeaseTerms {
    terms(
      device: hello.deviceID.bytes.elements, nonce: hello.nonce.bytes.elements, allowed: allowed,
      epoch: epoch, lifetime: lifetime, dumpsPerFingerprint: dumpsPerFingerprint,
      knownFingerprints: knownFingerprints)
  }

  /// The lease with these terms, whatever they are, signed as it is.
  public func lease(_ terms: LeaseTerms) -> [UInt8] {
    let bytes = terms.bytes
    return bytes + signature(over: bytes)
  }

  /// A good lease for the board that said `hello`; see ``terms(for:allowed:epoch:lifetime:dumpsPerFingerprint:knownFingerprints:)``.
  public func lease(
    for hello: Hello, allowed: Bool = true, epoch: UInt32 = 1,
    lifetime: UInt32 = LeaseAuthority.longestLifetime, dumpsPerFingerprint: UInt8 = 0,
    knownFingerprints: [UInt32] = []
  ) -> [UInt8] {
    lease(
      terms(
        for: hello, allowed: allowed, epoch: epoch, lifetime: lifetime,
        dumpsPerFingerprint: dumpsPerFingerprint, knownFingerprints: knownFingerprints))
  }

  /// The catalog's signature over any bytes: r then s, 64 bytes.
  public func signature(over bytes: [UInt8]) -> [UInt8] {
    // Fails only for want of memory; a lease without a signature is then what the test refuses.
    (try? signingKey.signature(for: bytes)).map { [UInt8]($0.rawRepresentation) } ?? []
  }
}

/// Why an identity or a dump was not believed.
public enum ConsentFailure: Error, Sendable {
  /// IDENTITY has 96 bytes.
  case malformedIdentity
  /// The board has not got the private key, or answered another challenge.
  case wrongProof
  /// The dump was sealed to a key of another region or month.
  case otherSealingKey
}

/// A key from the generator's next bytes that are one: of P-256 all but one in 2^32 are, of X25519 all.
func drawKey<Key>(from generator: inout SeededGenerator, _ make: ([UInt8]) throws -> Key) -> Key {
  while true {
    if let key = try? make(generator.bytes(32)) { return key }
  }
}

extension InlineArray where Element == UInt8 {
  /// The elements as an array.
  var elements: [UInt8] { indices.map { self[$0] } }
}
