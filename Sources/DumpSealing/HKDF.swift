// The key derivation of RFC 5869 over HMAC-SHA-256, from and to pieces of memory.

import CBearSSL

/// HKDF-SHA256 (RFC 5869). BearSSL's own runs extract and expand in one go; HPKE expands what it
/// extracted several times, and later.
enum HKDF {
  /// Bytes of a pseudorandom key and of a block of output, SHA-256's digest.
  static let size = 32

  /// HKDF-Extract of bytes that the caller feeds.
  ///
  /// - Parameters:
  ///   - salt: empty stands for zeros.
  ///   - key: takes the pseudorandom key, 32 bytes; may be where `salt` is.
  ///   - feed: feeds the input keying material.
  @inline(__always)
  static func extract(
    salt: UnsafeRawBufferPointer, _ key: UnsafeMutableRawPointer,
    feed: (inout martlet_hmac) -> Void
  ) {
    var hmac = martlet_hmac()
    martlet_hmac_begin(&hmac, salt.baseAddress, salt.count)
    feed(&hmac)
    martlet_hmac_end(&hmac, key)
  }

  /// HKDF-Expand.
  ///
  /// - Parameters:
  ///   - key: a pseudorandom key, 32 bytes.
  ///   - out: takes `count` bytes.
  ///   - count: 1 to 255 * 32, more than which RFC 5869 does not define; nothing is stored then.
  ///   - info: feeds the context and application specific information, once for each 32 bytes.
  @inline(__always)
  static func expand(
    _ key: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, count: Int,
    info: (inout martlet_hmac) -> Void
  ) {
    guard count <= 255 * size else { return }
    var block = InlineArray<32, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &block) { block in
      guard let block = block.baseAddress else { return }
      var stored = 0
      var counter: UInt8 = 0
      while stored < count {
        var hmac = martlet_hmac()
        martlet_hmac_begin(&hmac, key, size)
        if counter > 0 { martlet_hmac_update(&hmac, block, size) }
        info(&hmac)
        counter &+= 1
        martlet_hmac_update(&hmac, &counter, 1)
        martlet_hmac_end(&hmac, block)
        let length = min(size, count - stored)
        (out + stored).copyMemory(from: block, byteCount: length)
        stored += length
      }
      martlet_erase(block, size)
    }
  }
}

extension martlet_hmac {
  /// Feeds `count` bytes.
  mutating func feed(_ bytes: UnsafeRawPointer, count: Int) {
    martlet_hmac_update(&self, bytes, count)
  }

  /// Feeds all bytes.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    martlet_hmac_update(&self, start, bytes.count)
  }

  /// Feeds a text that the image holds.
  mutating func feed(_ text: StaticString) {
    martlet_hmac_update(&self, text.utf8Start, text.utf8CodeUnitCount)
  }

  /// Feeds a number below 65,536 as RFC 9180 writes it, I2OSP(value, 2).
  mutating func feed(_ value: UInt16) {
    var bigEndian = value.bigEndian
    martlet_hmac_update(&self, &bigEndian, 2)
  }
}
