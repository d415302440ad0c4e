// The signature of a catalog's signing key under what a device believes the service said.

import CBearSSL

/// ECDSA over P-256 and SHA-256 (FIPS 186-5), verified: a device signs nothing.
public enum ServiceSignature {
  /// Bytes of a signature: r, then s, 32 bytes each, big endian.
  public static let size = 64
  /// Bytes of a public key: x, then y, 32 bytes each, big endian.
  public static let keySize = 64

  /// Whether `signature` is one of the whole `message` under `key`.
  ///
  /// False, too, when r or s is zero or not below the order of the curve, and when the key is no point
  /// of the curve. As ECDSA has it, of each signature a second form with the other of s and its
  /// negative is valid as well. Contexts: boot, app; some 14 million instructions on a Cortex-M4, none
  /// of which depends on a secret.
  public static func isValid(
    _ signature: UnsafeRawPointer, of message: UnsafeRawBufferPointer, key: UnsafeRawPointer
  ) -> Bool {
    martlet_p256_verify(signature, message.baseAddress, message.count, key) != 0
  }
}
