// A device's key exchange under one lease, from which the keys of all its dumps follow.

import Crypto
import DumpFormat
import Foundation

/// What two multiplications on the curve gave, twice: worth keeping while a device sends several dumps.
public struct DumpExchange: Sendable {
  /// Which exchange it is: of the same name, the same device and the same lease.
  public struct Name: Hashable, Sendable {
    let device: [UInt8]
    let encapsulatedKey: [UInt8]
    let sealingKeyID: UInt32
    let consentEpoch: UInt32

    /// The exchange that a dump belongs to when it is of `device`, 64 bytes.
    public init(of dump: SealedDump, device: [UInt8]) {
      self.device = device
      encapsulatedKey = Array(dump.encapsulatedKey)
      sealingKeyID = dump.sealingKeyID
      consentEpoch = dump.header.consentEpoch
    }
  }

  public let name: Name
  private let recipient: HPKE.Recipient

  /// Repeats the exchange that a dump was sealed under.
  /// - Parameters:
  ///   - sealingKey: the one that ``SealedDump/sealingKeyID`` names.
  ///   - device: the id of the device, 64 bytes.
  ///   - devicePublicKey: registered for that device.
  /// - Throws: ``DumpOpeningError/unusableKey``.
  public init(
    of dump: SealedDump, sealingKey: Curve25519.KeyAgreement.PrivateKey, device: [UInt8],
    devicePublicKey: Curve25519.KeyAgreement.PublicKey
  ) throws(DumpOpeningError) {
    guard
      let ephemeral = try? Curve25519.KeyAgreement.PublicKey(
        rawRepresentation: dump.encapsulatedKey),
      sealingKey.canAgree(with: ephemeral), sealingKey.canAgree(with: devicePublicKey)
    else { throw .unusableKey }
    do {
      recipient = try HPKE.Recipient(
        privateKey: sealingKey, ciphersuite: SealingContext.suite,
        info: SealingContext.leaseInfo(
          device: device, consentEpoch: dump.header.consentEpoch, sealingKeyID: dump.sealingKeyID),
        encapsulatedKey: Data(dump.encapsulatedKey), authenticatedBy: devicePublicKey)
    } catch {
      throw .unusableKey
    }
    name = Name(of: dump, device: device)
  }

  /// The key of one dump.
  func key(of dump: SealedDump) throws(DumpOpeningError) -> SymmetricKey {
    guard Name(of: dump, device: name.device) == name else { throw .unusableKey }
    do {
      return try recipient.exportSecret(
        context: SealingContext.dumpKeyContext(salt: dump.salt),
        outputByteCount: SealingContext.keySize)
    } catch {
      throw .unusableKey
    }
  }
}
