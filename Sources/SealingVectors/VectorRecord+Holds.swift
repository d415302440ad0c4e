// What each kind of vector says about DumpSealing.

import DumpSealing

extension VectorRecord {
  /// Whether DumpSealing does what the vector says. A vector whose fields do not fit its kind does not
  /// hold.
  public func holds() -> Bool {
    switch kind {
    case .hpke: exchanges()
    case .refused: refuses()
    case .export: exports()
    case .seal: seals()
    case .x25519: multiplies()
    case .publicKey: derives()
    case .p256: verifies()
    case .flipped: refusesEveryBit()
    }
  }

  private func exchanges() -> Bool {
    guard let mode = field(0, 1)?.load(as: UInt8.self), mode < 4, let recipient = field(1, 32),
      let ephemeral = field(3, 32), let enc = field(7, 32), let key = field(8, 32),
      let nonce = field(9, 12), let exporter = field(10, 32)
    else { return false }
    var ours = InlineArray<32, UInt8>(repeating: 0)
    let exchanged: HPKESender?
    if mode == 2 {
      guard let sender = field(2, 32) else { return false }
      exchanged = HPKESender(
        recipient: recipient, sender: sender, ephemeral: ephemeral, info: field(6), enc: &ours)
    } else {
      exchanged = HPKESender(
        recipient: recipient, sender: field(2, 32), ephemeral: ephemeral, psk: field(4),
        pskID: field(5), info: field(6), enc: &ours)
    }
    guard var hpke = exchanged, (mode & 2 != 0) == (field(2, 32) != nil) else { return false }
    let isRight =
      equal(&ours, enc, 32) && equal(&hpke.key, key, 32) && equal(&hpke.baseNonce, nonce, 12)
      && equal(&hpke.exporterSecret, exporter, 32)
    hpke.erase()
    return isRight
  }

  private func refuses() -> Bool {
    guard let recipient = field(0, 32), let sender = field(1, 32), let ephemeral = field(2, 32)
    else { return false }
    var enc = InlineArray<32, UInt8>(repeating: 0)
    return HPKESender(
      recipient: recipient, sender: sender, ephemeral: ephemeral, info: field(3), enc: &enc) == nil
  }

  private func exports() -> Bool {
    guard let secret = field(0, 32), let value = field(2, 32) else { return false }
    var ours = InlineArray<32, UInt8>(repeating: 0)
    HPKESender.export(secret, context: field(1), &ours, count: 32)
    return equal(&ours, value, 32)
  }

  private func seals() -> Bool {
    let (plain, sealed) = (field(3), field(4))
    guard let key = field(0, 32), let nonce = field(1, 12), let expected = sealed.baseAddress,
      sealed.count == plain.count + ChaChaPoly.tagSize, sealed.count <= 1024
    else { return false }
    var ours = InlineArray<1024, UInt8>(repeating: 0)
    return withUnsafeMutableBytes(of: &ours) { ours in
      guard let ours = ours.baseAddress else { return false }
      if let plain = plain.baseAddress, !self.field(3).isEmpty {
        ours.copyMemory(from: plain, byteCount: self.field(3).count)
      }
      let count = self.field(3).count
      ChaChaPoly.seal(
        ours, count: count, key: key, nonce: nonce, associated: self.field(2), tag: ours + count)
      return equal(ours, expected, sealed.count)
    }
  }

  private func multiplies() -> Bool {
    guard let scalar = field(0, 32), let point = field(1, 32), let product = field(2, 32),
      let shared = field(3, 1)?.load(as: UInt8.self)
    else { return false }
    var ours = InlineArray<32, UInt8>(repeating: 0)
    let isShared = X25519.agree(scalar, with: point, &ours)
    return equal(&ours, product, 32) && isShared == (shared == 1)
  }

  private func derives() -> Bool {
    guard let privateKey = field(0, 32), let publicKey = field(1, 32) else { return false }
    var ours = InlineArray<32, UInt8>(repeating: 0)
    DeviceKey.publicKey(of: privateKey, &ours)
    return equal(&ours, publicKey, 32)
  }

  private func verifies() -> Bool {
    guard let valid = field(0, 1)?.load(as: UInt8.self), let key = field(1, 64),
      let signature = field(3, 64)
    else { return false }
    return ServiceSignature.isValid(signature, of: field(2), key: key) == (valid == 1)
  }

  private func refusesEveryBit() -> Bool {
    guard let key = field(0, 64), let good = field(2, 64),
      ServiceSignature.isValid(good, of: field(1), key: key)
    else { return false }
    var signature = InlineArray<64, UInt8>(repeating: 0)
    return withUnsafeMutableBytes(of: &signature) { signature in
      guard let start = signature.baseAddress else { return false }
      start.copyMemory(from: good, byteCount: 64)
      for bit in 0..<512 {
        signature[bit / 8] ^= 1 << UInt8(bit % 8)
        if ServiceSignature.isValid(start, of: self.field(1), key: key) { return false }
        signature[bit / 8] ^= 1 << UInt8(bit % 8)
      }
      return true
    }
  }

  private func equal(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    for at in 0..<count
    where a.load(fromByteOffset: at, as: UInt8.self) != b.load(fromByteOffset: at, as: UInt8.self) {
      return false
    }
    return true
  }
}
