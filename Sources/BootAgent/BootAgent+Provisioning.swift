// How a board gets its identity (docs/formats/link.md, Provisioning).

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing
import DumpSealing
import LinkProtocol

extension BootAgent {
  /// Makes the identity unless there is one, and proves it. Gives the refusal to send,
  /// ``RefusalCode/unknownType`` when there is none. Its stack frame is erased behind it.
  @inline(never)
  mutating func answerProvision(_ request: Provision, _ sequence: UInt8) -> RefusalCode {
    guard let key = request.signingKey.baseAddress else { return .malformed }
    guard let identity = Self.identity(trusting: key) else { return .flashFailed }
    let isPinned = identity.withParts { _, _, _, pinned in
      areSame(pinned, key, count: ServiceSignature.keySize)
    }
    guard isPinned else { return .otherService }
    withUnsafeMutablePointer(to: &hello.deviceID) { id in
      identity.withParts { _, _, deviceID, _ in
        UnsafeMutableRawPointer(id).store(deviceID, count: DeviceID.count, at: 0)
      }
    }
    var proof = InlineArray<24, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &proof) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      guard Self.prove(identity, request, raw) else { return .flashFailed }
      var frame = port.begin(.identity, sequence)
      frame.append(UnsafeRawBufferPointer(start: raw, count: Identity.size))
      port.send(&frame)
      return .unknownType
    }
  }

  /// The identity as flash tells it, made now when there is none.
  private static func identity(trusting key: UnsafeRawPointer) -> StoredIdentity? {
    do throws(FlashError) {
      if let identity = try StoredIdentity.find() { return identity }
      guard StoredIdentity.make(trusting: key) != nil else { return nil }
      return try StoredIdentity.find()
    } catch {
      return nil
    }
  }

  /// Stores public key, enc and proof, 96 bytes.
  private static func prove(
    _ identity: StoredIdentity, _ request: Provision, _ place: UnsafeMutableRawPointer
  ) -> Bool {
    var info = InlineArray<24, UInt32>(repeating: 0)
    return withUnsafeMutablePointer(to: &info) { pointer in
      guard let challenge = request.challenge.baseAddress,
        let signingKey = request.signingKey.baseAddress,
        let claimKey = request.claimKey.baseAddress
      else { return false }
      let raw = UnsafeMutableRawPointer(pointer)
      let name: StaticString = "martlet claim"
      let prefix = name.utf8CodeUnitCount
      raw.store(name.utf8Start, count: prefix, at: 0)
      raw.store(challenge, count: Provision.challengeSize, at: prefix)
      raw.store(
        signingKey, count: ServiceSignature.keySize, at: prefix + Provision.challengeSize)
      let size = prefix + Provision.challengeSize + ServiceSignature.keySize
      var secrets = ExchangedSecrets()
      let refusal = identity.withParts { privateKey, publicKey, _, _ in
        place.store(publicKey, count: DeviceKey.size, at: 0)
        return secrets.exchange(
          with: claimKey, privateKey, info: UnsafeRawBufferPointer(start: raw, count: size))
      }
      guard refusal == .accepted else { return false }
      secrets.store("martlet proof", at: place + DeviceKey.size)
      return true
    }
  }
}
