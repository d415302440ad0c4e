// The sender's half of RFC 9180 in Martlet's one suite: from keys to the secrets that a lease leaves.

import CBearSSL

/// What the sender of a HPKE exchange has afterwards: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
/// ChaCha20-Poly1305 (RFC 9180).
///
/// Contexts: boot, app; an exchange takes some 10 million instructions on a Cortex-M4, never in the
/// fault path. What it works on is erased where it lay; the values themselves move as Swift moves them, so
/// that a caller has ``KeyTraces`` erased once it is through.
public struct HPKESender {
  /// Bytes of an exporter secret.
  public static let exporterSize = 32
  /// Bytes of `enc`, a public key.
  public static let encSize = X25519.size

  /// The key of the AEAD.
  public var key = InlineArray<32, UInt8>(repeating: 0)
  /// The nonce of the AEAD's first message.
  public var baseNonce = InlineArray<12, UInt8>(repeating: 0)
  /// What `export` takes.
  public var exporterSecret = InlineArray<32, UInt8>(repeating: 0)

  /// Exchanges keys in mode Auth, SetupAuthS of RFC 9180, 5.1.3.
  ///
  /// - Parameters:
  ///   - recipient: the recipient's public key, 32 bytes.
  ///   - sender: the sender's private key, 32 bytes.
  ///   - ephemeral: a private key of this exchange alone, 32 random bytes; it is for the caller to
  ///     erase it.
  ///   - info: what both sides have to agree on.
  ///   - enc: takes the ephemeral public key, 32 bytes.
  /// - Returns: nil when the recipient's key is a point of small order, with which no secret is one.
  public init?(
    recipient: UnsafeRawPointer, sender: UnsafeRawPointer, ephemeral: UnsafeRawPointer,
    info: UnsafeRawBufferPointer, enc: UnsafeMutableRawPointer
  ) {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    self.init(
      recipient: recipient, sender: sender, ephemeral: ephemeral, psk: nothing, pskID: nothing,
      info: info, enc: enc)
  }

  /// Exchanges keys in each of RFC 9180's modes: with a sender's key in mode Auth, with a preshared
  /// key in mode PSK, with both in mode AuthPSK, with neither in mode Base.
  @inline(__always)
  package init?(
    recipient: UnsafeRawPointer, sender: UnsafeRawPointer?, ephemeral: UnsafeRawPointer,
    psk: UnsafeRawBufferPointer, pskID: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer,
    enc: UnsafeMutableRawPointer
  ) {
    var secret = InlineArray<32, UInt8>(repeating: 0)
    let isShared = withUnsafeMutableBytes(of: &secret) { secret in
      guard let secret = secret.baseAddress else { return false }
      return HPKE.encapsulate(
        recipient: recipient, sender: sender, ephemeral: ephemeral, enc: enc, secret)
    }
    guard isShared else { return nil }
    let mode: UInt8 = (psk.isEmpty ? 0 : 1) | (sender == nil ? 0 : 2)
    withUnsafeMutableBytes(of: &secret) { secret in
      guard let secret = secret.baseAddress else { return }
      schedule(mode: mode, secret, psk: psk, pskID: pskID, info: info)
      martlet_erase(secret, HKDF.size)
    }
  }

  /// Erases the secrets.
  public mutating func erase() {
    withUnsafeMutableBytes(of: &self) { martlet_erase($0.baseAddress, $0.count) }
  }

  /// Derives a secret for one use, Context.Export of RFC 9180, 5.3.
  ///
  /// - Parameters:
  ///   - secret: an exporter secret, 32 bytes.
  ///   - context: the use.
  ///   - out: takes `count` bytes, at most 8,160.
  public static func export(
    _ secret: UnsafeRawPointer, context: UnsafeRawBufferPointer, _ out: UnsafeMutableRawPointer,
    count: Int
  ) {
    HPKE.expand(HPKE.suite, secret, "sec", out, count: count) { $0.feed(context) }
  }

  /// KeySchedule of RFC 9180, 5.1: fills the three secrets from the shared one, which is used up.
  private mutating func schedule(
    mode: UInt8, _ secret: UnsafeMutableRawPointer, psk: UnsafeRawBufferPointer,
    pskID: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer
  ) {
    let suite = HPKE.suite
    var context = ScheduleContext()
    context.mode = mode
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    withUnsafeMutableBytes(of: &context.pskIDHash) { hash in
      guard let hash = hash.baseAddress else { return }
      HPKE.extract(suite, salt: nothing, "psk_id_hash", hash) { $0.feed(pskID) }
    }
    withUnsafeMutableBytes(of: &context.infoHash) { hash in
      guard let hash = hash.baseAddress else { return }
      HPKE.extract(suite, salt: nothing, "info_hash", hash) { $0.feed(info) }
    }
    HPKE.extract(
      suite, salt: UnsafeRawBufferPointer(start: secret, count: HKDF.size), "secret", secret
    ) { $0.feed(psk) }
    withUnsafeMutableBytes(of: &key) { out in
      context.expand(secret, "key", out)
    }
    withUnsafeMutableBytes(of: &baseNonce) { out in
      context.expand(secret, "base_nonce", out)
    }
    withUnsafeMutableBytes(of: &exporterSecret) { out in
      context.expand(secret, "exp", out)
    }
  }
}

/// `key_schedule_context` of RFC 9180, 5.1. It holds no secret.
private struct ScheduleContext {
  var mode: UInt8 = 0
  var pskIDHash = InlineArray<32, UInt8>(repeating: 0)
  var infoHash = InlineArray<32, UInt8>(repeating: 0)

  func expand(
    _ secret: UnsafeRawPointer, _ label: StaticString, _ out: UnsafeMutableRawBufferPointer
  ) {
    guard let start = out.baseAddress else { return }
    HPKE.expand(HPKE.suite, secret, label, start, count: out.count) { hmac in
      withUnsafeBytes(of: mode) { hmac.feed($0) }
      withUnsafeBytes(of: pskIDHash) { hmac.feed($0) }
      withUnsafeBytes(of: infoHash) { hmac.feed($0) }
    }
  }
}
