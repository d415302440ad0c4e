// A device, a service key and a dump between them.

import Crypto
import DumpFormat
import DumpOpening
import MartletTestKit

/// Everything that sealing and opening one dump needs.
struct SealedSample {
  let deviceKey = Curve25519.KeyAgreement.PrivateKey()
  let sealingKey = Curve25519.KeyAgreement.PrivateKey()
  let keyID: UInt32 = 1 << 24 | (2026 * 12 + 10)

  var device: [UInt8] { DeviceIdentity.id(of: deviceKey.publicKey) }

  func sealer(epoch: UInt32 = 7) throws -> DumpSealer {
    try DumpSealer(
      devicePrivateKey: deviceKey, sealingKey: sealingKey.publicKey, sealingKeyID: keyID,
      consentEpoch: epoch)
  }

  func open(_ dump: [UInt8]) throws(DumpOpeningError) -> OpenedDump {
    try SealedDump(dump).open(
      with: sealingKey, device: device, devicePublicKey: deviceKey.publicKey)
  }

  func openWhatIsThere(_ dump: [UInt8]) throws(DumpOpeningError) -> OpenedDump {
    try SealedDump(dump).openWhatIsThere(
      with: sealingKey, device: device, devicePublicKey: deviceKey.publicKey)
  }

  /// A dump in the clear whose body has `size` bytes that tell their place.
  static func plain(size: Int, epoch: UInt32 = 7, isTruncated: Bool = false) -> [UInt8] {
    var builder = DumpBuilder()
    builder.header.consentEpoch = epoch
    builder.header.fingerprint = Fingerprint(rawValue: 0x0102_0304_0506_0708)
    builder.body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    builder.isTruncated = isTruncated
    return builder.build(withEnd: false)
  }
}
