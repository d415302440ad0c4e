// The identity of a device: an X25519 key, and the id that is derived from it.

import CBearSSL

/// A device's own key (docs/formats/link.md, Provisioning).
public enum DeviceKey {
  /// Bytes of a private and of a public key, as RFC 7748 writes them.
  public static let size = 32
  /// Bytes of a device id.
  public static let idSize = 64

  /// Stores the public key of a private key, 32 bytes each; any 32 bytes are a private key. Contexts:
  /// boot, app; some 2.4 million instructions on a Cortex-M4.
  public static func publicKey(
    of privateKey: UnsafeRawPointer, _ publicKey: UnsafeMutableRawPointer
  ) {
    X25519.publicKey(of: privateKey, publicKey)
  }

  /// Stores the device id of a public key, 64 bytes: HKDF-SHA256 (RFC 5869) with the public key as
  /// input, the salt `martlet device id` and no info. Contexts: boot, app.
  public static func deviceID(of publicKey: UnsafeRawPointer, _ id: UnsafeMutableRawPointer) {
    let salt: StaticString = "martlet device id"
    var key = InlineArray<32, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &key) { key in
      guard let key = key.baseAddress else { return }
      HKDF.extract(
        salt: UnsafeRawBufferPointer(start: salt.utf8Start, count: salt.utf8CodeUnitCount), key
      ) {
        $0.feed(publicKey, count: size)
      }
      HKDF.expand(key, id, count: idSize) { _ in }
    }
  }
}
