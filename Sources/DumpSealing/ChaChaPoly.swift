// The AEAD of RFC 8439, sealing alone: a device opens nothing.

import CBearSSL

/// ChaCha20-Poly1305 (RFC 8439) in constant time.
package enum ChaChaPoly {
  package static let keySize = 32
  package static let nonceSize = 12
  package static let tagSize = 16

  /// Encrypts `count` bytes in place and stores the tag, 16 bytes. Contexts: all.
  package static func seal(
    _ bytes: UnsafeMutableRawPointer, count: Int, key: UnsafeRawPointer, nonce: UnsafeRawPointer,
    associated: UnsafeRawBufferPointer, tag: UnsafeMutableRawPointer
  ) {
    martlet_chachapoly_seal(
      key, nonce, bytes, count, associated.baseAddress, associated.count, tag)
  }
}
