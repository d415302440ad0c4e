// Dumps under the authority's leases: opened as the service does, and sealed for boards without one.

import Crypto
import DumpOpening

extension LeaseAuthority {
  /// Opens a whole dump that `device` sealed under one of this authority's leases.
  ///
  /// - Returns: the dump in the clear (encoding 0).
  /// - Throws: `DumpOpeningError`, also when anybody else sealed it.
  public func open(_ dump: [UInt8], from device: ProvisionedDevice) throws -> [UInt8] {
    let sealed = try SealedDump(dump)
    guard sealed.sealingKeyID == sealingKeyID else { throw ConsentFailure.otherSealingKey }
    return try sealed.open(
      with: sealingKey, device: device.id,
      devicePublicKey: .init(rawRepresentation: device.publicKey)
    ).bytes
  }

  /// Opens what is there of a dump that was cut. See ``open(_:from:)``.
  public func openWhatIsThere(_ dump: [UInt8], from device: ProvisionedDevice) throws -> [UInt8] {
    try SealedDump(dump).openWhatIsThere(
      with: sealingKey, device: device.id,
      devicePublicKey: .init(rawRepresentation: device.publicKey)
    ).bytes
  }

  /// Seals dumps as `device` does under an allowed lease of this authority.
  public func sealer(for device: SoftwareDevice, epoch: UInt32 = 1) throws -> DumpSealer {
    try DumpSealer(
      devicePrivateKey: device.privateKey, sealingKey: sealingKey.publicKey,
      sealingKeyID: sealingKeyID, consentEpoch: epoch)
  }
}
