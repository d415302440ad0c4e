// The crypto of a lease: its signature, and the exchange of the keys that dumps are sealed with.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpSealing

/// A lease that is for this device and this moment, and the identity to hold it against. Contexts: boot,
/// app; never with interrupts masked, because either step takes tens of milliseconds.
struct KeyExchange {
  private let lease: UnsafeRawPointer
  private let identity: StoredIdentity

  /// - Parameter lease: at a multiple of 4, found to be in order.
  init(lease: UnsafeRawPointer, _ identity: StoredIdentity) {
    self.lease = lease
    self.identity = identity
  }

  /// Whether the service that the board trusts has signed the lease.
  var isSigned: Bool {
    let (message, signature) = ConsentGate.signed(lease)
    return identity.withParts { _, _, _, serviceKey in
      ServiceSignature.isValid(signature, of: message, key: serviceKey)
    }
  }

  /// Agrees on secrets with the lease's sealing key (docs/formats/dump.md, Encoding 1).
  func perform(_ secrets: inout ExchangedSecrets) -> LeaseRefusal {
    var info = InlineArray<22, UInt32>(repeating: 0)
    return withUnsafeMutableBytes(of: &info) { info in
      guard let start = info.baseAddress else { return .noEntropy }
      let name = SealedLayout.exchangeInfo
      let prefix = name.utf8CodeUnitCount
      start.store(name.utf8Start, count: prefix, at: 0)
      let id = prefix + Lease.deviceIDSize
      start.store(lease + LeaseLayout.epoch, count: 4, at: id)
      start.store(lease + LeaseLayout.sealingKeyID, count: 4, at: id + 4)
      return identity.withParts { privateKey, _, deviceID, _ in
        start.store(deviceID, count: Lease.deviceIDSize, at: prefix)
        return secrets.exchange(
          with: lease + LeaseLayout.sealingKey, privateKey,
          info: UnsafeRawBufferPointer(start: start, count: id + 8))
      }
    }
  }
}

/// What a key exchange gives: a secret to export keys from, and what the other side needs for the same.
struct ExchangedSecrets {
  private var exporter = InlineArray<8, UInt32>(repeating: 0)
  private var enc = InlineArray<8, UInt32>(repeating: 0)

  /// Agrees on a secret with the owner of a public key, as the owner of a private one (RFC 9180, mode
  /// Auth).
  mutating func exchange(
    with recipient: UnsafeRawPointer, _ privateKey: UnsafeRawPointer, info: UnsafeRawBufferPointer
  ) -> LeaseRefusal {
    var ephemeral = InlineArray<8, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &ephemeral) { ephemeral in
      let raw = UnsafeMutableRawPointer(ephemeral)
      defer { raw.clear(DeviceKey.size) }
      guard halEntropy(raw.assumingMemoryBound(to: UInt8.self), DeviceKey.size) == .ok else {
        return .noEntropy
      }
      return withUnsafeMutablePointer(to: &enc) { enc in
        guard
          var sender = HPKESender(
            recipient: recipient, sender: privateKey, ephemeral: raw, info: info, enc: enc)
        else { return .sealingKey }
        withUnsafeMutablePointer(to: &exporter) { exporter in
          // In place: a copy would stay behind on the stack.
          withUnsafePointer(to: &sender.exporterSecret) { secret in
            UnsafeMutableRawPointer(exporter).store(secret, count: DeviceKey.size, at: 0)
          }
        }
        sender.erase()
        return .accepted
      }
    }
  }

  /// Keeps the secrets for the dumps of a lease, and forgets them here. Guarded memory is open.
  mutating func keep(for lease: UnsafeRawPointer) {
    withUnsafeMutablePointer(to: &exporter) { exporter in
      withUnsafePointer(to: enc) { enc in
        sealingKeys().keep(
          exporter: exporter, enc: enc, sealingKeyID: lease.load32(at: LeaseLayout.sealingKeyID),
          epoch: lease.load32(at: LeaseLayout.epoch))
      }
      UnsafeMutableRawPointer(exporter).clear(DeviceKey.size)
    }
  }

  /// Stores enc, 32 bytes, and behind it the secret of 32 bytes exported for a context.
  func store(_ context: StaticString, at place: UnsafeMutableRawPointer) {
    withUnsafePointer(to: enc) { place.store($0, count: SealedLayout.encSize, at: 0) }
    withUnsafePointer(to: exporter) { exporter in
      HPKESender.export(
        exporter,
        context: UnsafeRawBufferPointer(
          start: context.utf8Start, count: context.utf8CodeUnitCount),
        place + SealedLayout.encSize, count: 32)
    }
  }
}
