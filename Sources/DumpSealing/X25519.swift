// The key agreement of RFC 7748, section 5, and its check for a secret that everybody knows.

import CBearSSL

/// X25519 (RFC 7748) in constant time.
///
/// Contexts: boot, app; some 2.4 million instructions each on a Cortex-M4, never in the fault path.
package enum X25519 {
  /// Bytes of a private key, a public key and a shared secret.
  package static let size = 32

  /// Stores the product of a private key and a public one.
  ///
  /// - Returns: false when the product is all zeros, which a public key of small order gives with
  ///   every private key: RFC 7748, section 6.1, wants that refused.
  package static func agree(
    _ privateKey: UnsafeRawPointer, with publicKey: UnsafeRawPointer,
    _ secret: UnsafeMutableRawPointer
  ) -> Bool {
    martlet_x25519(privateKey, publicKey, secret)
    var bits: UInt8 = 0
    for at in 0..<size { bits |= secret.load(fromByteOffset: at, as: UInt8.self) }
    return bits != 0
  }

  /// Stores the public key of a private one.
  package static func publicKey(
    of privateKey: UnsafeRawPointer, _ publicKey: UnsafeMutableRawPointer
  ) {
    martlet_x25519_base(privateKey, publicKey)
  }
}
