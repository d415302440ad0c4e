// What device and service put into the key exchange and the AEAD beside the keys themselves.

import Crypto
import DumpFormat
import Foundation

/// HPKE as docs/formats/dump.md has it: RFC 9180, mode Auth.
enum SealingContext {
  static let suite = HPKE.Ciphersuite.Curve25519_SHA256_ChachaPoly
  static let keySize = 32
  /// Bytes of a device id.
  static let deviceSize = 64

  /// The `info` of a key exchange for dumps.
  static func leaseInfo(device: [UInt8], consentEpoch: UInt32, sealingKeyID: UInt32) -> Data {
    data(SealedLayout.exchangeInfo) + device + littleEndian(consentEpoch)
      + littleEndian(sealingKeyID)
  }

  /// The exporter context of the key of one dump.
  static func dumpKeyContext(salt: [UInt8]) -> Data { data(SealedLayout.keyContext) + salt }

  /// Bytes of a nonce.
  static let nonceSize = 12

  /// The nonce of a chunk.
  /// - Parameter isTruncated: only the last chunk says so.
  static func nonce(chunk: Int, isLast: Bool, isTruncated: Bool) -> Data {
    var nonce = Data()
    appendNonce(to: &nonce, chunk: chunk, isLast: isLast, isTruncated: isTruncated)
    return nonce
  }

  /// Appends the nonce of a chunk.
  static func appendNonce(to data: inout Data, chunk: Int, isLast: Bool, isTruncated: Bool) {
    let place = UInt64(UInt32(chunk)).littleEndian
    let ending = (UInt32(isLast ? 1 : 0) | UInt32(isTruncated ? 2 : 0)) << 24
    withUnsafeBytes(of: place) { data.append(contentsOf: $0) }
    withUnsafeBytes(of: ending.littleEndian) { data.append(contentsOf: $0) }
  }

  private static func data(_ text: StaticString) -> Data { text.withUTF8Buffer { Data($0) } }

  private static func littleEndian(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

extension Curve25519.KeyAgreement.PrivateKey {
  /// Whether keys can be agreed with `other`. With a point of small order every private key agrees on
  /// zeros, which everybody knows; RFC 7748, 6.1 and RFC 9180, 7.1.4 want that refused, and swift-crypto
  /// leaves it to its callers.
  func canAgree(with other: Curve25519.KeyAgreement.PublicKey) -> Bool {
    guard let secret = try? sharedSecretFromKeyAgreement(with: other) else { return false }
    return secret.withUnsafeBytes { $0.reduce(0) { $0 | $1 } } != 0
  }
}
