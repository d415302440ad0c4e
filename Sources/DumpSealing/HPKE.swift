// What RFC 9180 composes of its primitives: labels, suite ids and the encapsulation of a shared secret.

import CBearSSL

/// RFC 9180's functions in the suite of numbers 0x0020, 0x0001, 0x0003 (its section 7).
enum HPKE {
  /// A suite id of RFC 9180: of the key encapsulation (4.1) or of the whole suite (5.1).
  enum Suite {
    case keyEncapsulation
    case all

    func feed(_ hmac: inout martlet_hmac) {
      switch self {
      case .keyEncapsulation:
        hmac.feed("KEM")
        hmac.feed(0x0020 as UInt16)
      case .all:
        hmac.feed("HPKE")
        hmac.feed(0x0020 as UInt16)
        hmac.feed(0x0001 as UInt16)
        hmac.feed(0x0003 as UInt16)
      }
    }
  }

  static var suite: Suite { .all }

  /// LabeledExtract (RFC 9180, 4): `feed` feeds the input keying material.
  static func extract(
    _ suite: Suite, salt: UnsafeRawBufferPointer, _ label: StaticString,
    _ key: UnsafeMutableRawPointer, feed: (inout martlet_hmac) -> Void
  ) {
    HKDF.extract(salt: salt, key) { hmac in
      hmac.feed("HPKE-v1")
      suite.feed(&hmac)
      hmac.feed(label)
      feed(&hmac)
    }
  }

  /// LabeledExpand (RFC 9180, 4): `info` feeds the info.
  static func expand(
    _ suite: Suite, _ key: UnsafeRawPointer, _ label: StaticString,
    _ out: UnsafeMutableRawPointer, count: Int, info: (inout martlet_hmac) -> Void
  ) {
    HKDF.expand(key, out, count: count) { hmac in
      hmac.feed(UInt16(truncatingIfNeeded: count))
      hmac.feed("HPKE-v1")
      suite.feed(&hmac)
      hmac.feed(label)
      info(&hmac)
    }
  }

  /// Encap, or AuthEncap with a sender's key (RFC 9180, 4.1).
  ///
  /// - Parameters:
  ///   - enc: takes the ephemeral public key, 32 bytes.
  ///   - secret: takes the shared secret, 32 bytes.
  /// - Returns: false when a product is all zeros (RFC 9180, 7.1.4).
  static func encapsulate(
    recipient: UnsafeRawPointer, sender: UnsafeRawPointer?, ephemeral: UnsafeRawPointer,
    enc: UnsafeMutableRawPointer, _ secret: UnsafeMutableRawPointer
  ) -> Bool {
    X25519.publicKey(of: ephemeral, enc)
    var products = InlineArray<64, UInt8>(repeating: 0)
    var senderKey = InlineArray<32, UInt8>(repeating: 0)
    return withUnsafeMutableBytes(of: &products) { products in
      guard let start = products.baseAddress else { return false }
      defer { martlet_erase(start, products.count) }
      var isShared = X25519.agree(ephemeral, with: recipient, start)
      if let sender {
        withUnsafeMutableBytes(of: &senderKey) { key in
          guard let key = key.baseAddress else { return }
          X25519.publicKey(of: sender, key)
        }
        let isToo = X25519.agree(sender, with: recipient, start + X25519.size)
        isShared = isShared && isToo
      }
      guard isShared else { return false }
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      // The key that is extracted may lie where the shared secret comes to be.
      extract(.keyEncapsulation, salt: nothing, "eae_prk", secret) {
        $0.feed(start, count: sender == nil ? X25519.size : products.count)
      }
      expand(.keyEncapsulation, secret, "shared_secret", secret, count: HKDF.size) { hmac in
        hmac.feed(enc, count: X25519.size)
        hmac.feed(recipient, count: X25519.size)
        if sender != nil { withUnsafeBytes(of: senderKey) { hmac.feed($0) } }
      }
      return true
    }
  }
}
