// The keys that dumps are sealed with, made ready before a crash, in RAM that a reset keeps.

import DumpFormat

/// What an accepted lease's key exchange leaves, and the keys of the next dumps drawn from it
/// (docs/formats/ring.md, Retained RAM; docs/formats/dump.md, Encoding 1). The fault path takes a key
/// and runs the AEAD alone. A key seals one dump.
///
/// What changes the record needs guarded memory to be open.
public struct SealingKeys {
  /// Bytes of retained RAM.
  public static let size = 192

  /// Which dump a key is for.
  public enum Purpose: Int {
    /// The dump in the ring.
    case ring = 0
    /// The dump in retained RAM, which may have to be begun in the middle of the other.
    case left = 1
  }

  /// "MSK1", little endian.
  private static let magic: UInt32 = 0x314B_534D
  /// "UNUS", little endian: the state of a key that has sealed nothing.
  private static let unused: UInt32 = 0x5355_4E55
  private enum At {
    static let sealingKeyID = 4
    static let epoch = 8
    static let check = 12
    static let exporter = 16
    static let enc = 48
    static let keys = 80
  }
  private enum KeyAt {
    static let check = 4
    static let salt = 8
    static let key = 24
    static let size = 56
  }

  private let memory: UnsafeMutableRawPointer
  private var bytes: UnsafeRawPointer { UnsafeRawPointer(memory) }

  /// - Parameter memory: ``size`` bytes of retained RAM, aligned to 4.
  public init(memory: UnsafeMutableRawPointer) { self.memory = memory }

  /// Erases everything. Contexts: boot, app, fault.
  public func clear() { memory.clear(Self.size) }

  /// Keeps what a key exchange gave; keys for dumps are worked out with ``export(salt:_:)``. Contexts: boot, app.
  ///
  /// - Parameters:
  ///   - exporter: 32 bytes; `enc` likewise.
  ///   - epoch: of the lease that the sealing key came with.
  public func keep(
    exporter: UnsafeRawPointer, enc: UnsafeRawPointer, sealingKeyID: UInt32, epoch: UInt32
  ) {
    clear()
    memory.store32(Self.magic, at: 0)
    memory.store32(sealingKeyID, at: At.sealingKeyID)
    memory.store32(epoch, at: At.epoch)
    memory.store(exporter, count: 32, at: At.exporter)
    memory.store(enc, count: SealedLayout.encSize, at: At.enc)
    memory.store32(checksum, at: At.check)
  }

  /// Whether keys can be drawn for dumps of this epoch. Contexts: boot, app, fault.
  public func isReady(epoch: UInt32) -> Bool {
    bytes.load32(at: 0) == Self.magic && bytes.load32(at: At.epoch) == epoch
      && bytes.load32(at: At.check) == checksum
  }

  /// Works out the key for a salt, some 15,000 instructions. Contexts: boot, app, after
  /// ``isReady(epoch:)``.
  ///
  /// - Parameters:
  ///   - salt: 16 bytes that nobody can predict and that were never used before; aligned to 4.
  ///   - key: gets 32 bytes.
  public func export(salt: UnsafeRawPointer, _ key: UnsafeMutableRawPointer) {
    var context = InlineArray<8, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &context) { context in
      let raw = UnsafeMutableRawPointer(context)
      let name = SealedLayout.keyContext
      raw.store(name.utf8Start, count: name.utf8CodeUnitCount, at: 0)
      raw.store(salt, count: SealedLayout.saltSize, at: name.utf8CodeUnitCount)
      HPKESender.export(
        bytes + At.exporter,
        context: UnsafeRawBufferPointer(
          start: raw, count: name.utf8CodeUnitCount + SealedLayout.saltSize),
        key, count: DeviceKey.size)
    }
  }

  /// Lays a key out for the next dump. Changes the record. Contexts: boot, app.
  ///
  /// - Parameters: as ``export(salt:_:)`` has them.
  public func put(_ purpose: Purpose, salt: UnsafeRawPointer, _ key: UnsafeRawPointer) {
    let place = memory + At.keys + purpose.rawValue * KeyAt.size
    place.store32(0, at: 0)
    place.store(salt, count: SealedLayout.saltSize, at: KeyAt.salt)
    place.store(key, count: DeviceKey.size, at: KeyAt.key)
    place.store32(WordHash.checksum(place + KeyAt.salt, count: 48), at: KeyAt.check)
    place.store32(Self.unused, at: 0)
  }

  /// Takes the key of a dump: from here on it counts as used, whatever becomes of the dump. Changes the
  /// record. Contexts: boot, fault.
  ///
  /// - Returns: `nil` when there is none for this epoch that has sealed nothing.
  public func take(_ purpose: Purpose, epoch: UInt32) -> DumpSeal? {
    let key = memory + At.keys + purpose.rawValue * KeyAt.size
    guard isReady(epoch: epoch), key.load32(at: 0) == Self.unused else { return nil }
    key.store32(0, at: 0)
    guard key.load32(at: KeyAt.check) == WordHash.checksum(key + KeyAt.salt, count: 48) else {
      return nil
    }
    return DumpSeal(keys: memory, key: key)
  }

  private var checksum: UInt32 {
    var hash = WordHash()
    hash.update(bytes, count: At.check)
    hash.update(bytes + At.exporter, count: At.keys - At.exporter)
    return hash.value
  }

  /// Stores the envelope of a dump sealed with a taken key.
  fileprivate static func writeEnvelope(
    _ envelope: UnsafeMutableRawPointer, keys: UnsafeRawPointer, key: UnsafeRawPointer
  ) {
    envelope.store32(SealedLayout.magic, at: 0)
    envelope.store32(keys.load32(at: At.sealingKeyID), at: SealedLayout.sealingKeyID)
    envelope.store64(0, at: 8)
    envelope.store(key + KeyAt.salt, count: SealedLayout.saltSize, at: SealedLayout.salt)
    envelope.store(keys + At.enc, count: SealedLayout.encSize, at: SealedLayout.enc)
  }

  fileprivate static func key(_ key: UnsafeRawPointer) -> UnsafeRawPointer { key + KeyAt.key }
  fileprivate static func erase(_ key: UnsafeMutableRawPointer) { key.clear(KeyAt.size) }
}

/// The key of one dump on its way through the writer.
public struct DumpSeal {
  fileprivate let keys: UnsafeMutableRawPointer
  fileprivate let key: UnsafeMutableRawPointer

  /// Stores the dump's envelope, 64 bytes at a multiple of 4.
  public func writeEnvelope(_ envelope: UnsafeMutableRawPointer) {
    SealingKeys.writeEnvelope(envelope, keys: keys, key: key)
  }

  /// Seals `count` bytes in place; the tag follows them.
  ///
  /// - Parameters:
  ///   - index: number of the chunk, from 0.
  ///   - flags: ``SealedChunk/last``, and with it ``SealedChunk/truncated``.
  ///   - header: the dump's header, 96 bytes; part of the first chunk's proof.
  public func seal(
    _ bytes: UnsafeMutableRawPointer, count: Int, index: UInt32, flags: UInt8,
    header: UnsafeRawPointer
  ) {
    SealedChunk.seal(
      bytes, count: count, key: SealingKeys.key(key), index: index, flags: flags,
      associated: UnsafeRawBufferPointer(start: header, count: index == 0 ? DumpHeader.size : 0))
  }

  /// Erases the key: nothing more is sealed with it.
  public func end() { SealingKeys.erase(key) }
}
