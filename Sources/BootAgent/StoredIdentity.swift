// The device's name, key and trust for life, made when it is provisioned (docs/formats/ring.md, Identity).

import BoardHAL
import DumpFormat
import DumpRing
import DumpSealing
import LinkProtocol

/// A device's identity as it lies in flash. Contexts: boot, app.
struct StoredIdentity {
  /// Bytes of the record without its mark.
  private static let size: UInt32 = 200
  /// "MID2", little endian.
  private static let magic: UInt32 = 0x3244_494D
  private enum At {
    static let privateKey = 4
    static let publicKey = 36
    static let deviceID = 68
    static let serviceKey = 132
    static let check = 196
  }

  private var words = InlineArray<52, UInt32>(repeating: 0)

  /// Where the identity lies in the board's flash; `nil` when there is no room for one.
  private static func place(_ geometry: FlashGeometry) -> UInt32? {
    guard geometry.size > 0, geometry.stateSize >= 3 * geometry.sectorSize else { return nil }
    return geometry.stateOffset + geometry.stateSize - geometry.sectorSize
  }

  /// The identity of this board; `nil` when it was never provisioned, or has no room for an identity.
  /// Throws when flash does not tell: then nobody may take it for a board without one.
  static func find(
    _ geometry: FlashGeometry = halFlashGeometry()
  ) throws(FlashError) -> StoredIdentity? {
    guard let offset = place(geometry) else { return nil }
    var identity = StoredIdentity()
    let isThere = try withUnsafeMutablePointer(to: &identity.words) { pointer throws(FlashError) in
      let raw = UnsafeMutableRawPointer(pointer)
      try Flash.read(offset, raw, count: size + 8)
      // Without its mark a record may read differently the next time.
      let bits = Flash.programmedBits(raw + Int(size))
      guard raw.load32(at: 0) == magic, raw.load32(at: At.check) == checksum(raw), bits >= 32
      else { return false }
      if bits < 64 { try Flash.mark(offset + size) }
      return true
    }
    return isThere ? identity : nil
  }

  /// Makes an identity that trusts `serviceKey`, 64 bytes, and stores it.
  ///
  /// - Returns: `nil` when the board has no entropy, or flash does not keep it.
  static func make(
    trusting serviceKey: UnsafeRawPointer, _ geometry: FlashGeometry = halFlashGeometry()
  ) -> StoredIdentity? {
    guard let offset = place(geometry) else { return nil }
    var identity = StoredIdentity()
    let isMade = withUnsafeMutablePointer(to: &identity.words) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      let privateKey = raw + At.privateKey
      guard halEntropy(privateKey.assumingMemoryBound(to: UInt8.self), DeviceKey.size) == .ok
      else { return false }
      raw.store32(magic, at: 0)
      DeviceKey.publicKey(of: privateKey, raw + At.publicKey)
      DeviceKey.deviceID(of: raw + At.publicKey, raw + At.deviceID)
      raw.store(serviceKey, count: ServiceSignature.keySize, at: At.serviceKey)
      raw.store32(checksum(raw), at: At.check)
      do throws(FlashError) {
        try Flash.erase(offset)
        try Flash.write(offset, raw, count: size)
        try Flash.mark(offset + size)
        return true
      } catch {
        return false
      }
    }
    return isMade ? identity : nil
  }

  /// Does something with the places of the private key, the public key, the device id and the service's
  /// signing key.
  func withParts<Result>(
    _ body: (
      _ privateKey: UnsafeRawPointer, _ publicKey: UnsafeRawPointer, _ deviceID: UnsafeRawPointer,
      _ serviceKey: UnsafeRawPointer
    ) -> Result
  ) -> Result {
    withUnsafePointer(to: words) { pointer in
      let raw = UnsafeRawPointer(pointer)
      return body(
        raw + At.privateKey, raw + At.publicKey, raw + At.deviceID, raw + At.serviceKey)
    }
  }

  private static func checksum(_ record: UnsafeRawPointer) -> UInt32 {
    CRC32C.checksum(record, count: At.check)
  }
}
