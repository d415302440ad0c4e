// What an image says of itself in a dump's header: build-id, version, and names for its crashes.

import BoardHAL
import DumpFormat

extension HALImage {
  /// The fingerprint of a crash of this image.
  ///
  /// - Parameters:
  ///   - pc: relative to the image's code; `UInt32.max` when not known. `lr` likewise.
  public func fingerprint(_ kind: CrashKind, pc: UInt32, lr: UInt32) -> Fingerprint {
    guard let buildID else { return Fingerprint(rawValue: 1) }
    return Fingerprint(buildID: buildID, kind: kind, pc: pc, lr: lr)
  }

  /// Fills in a dump's header but for flags, reset cause, component and checksum.
  ///
  /// - Parameter header: 96 bytes, aligned to 4.
  public func fillHeader(
    _ header: UnsafeMutableRawPointer, _ kind: CrashKind, _ fingerprint: Fingerprint,
    boot: UInt32, sequence: UInt32, uptime: UInt64, epoch: UInt32
  ) {
    header.clear(DumpHeader.size)
    header.store8(kind.rawValue, at: PrologueLayout.kind)
    header.store32(boot, at: PrologueLayout.bootCount)
    header.store32(sequence, at: PrologueLayout.sequence)
    header.store64(fingerprint.rawValue, at: PrologueLayout.fingerprint)
    header.store64(uptime, at: PrologueLayout.uptime)
    header.store32(epoch, at: PrologueLayout.consentEpoch)
    header.store32(1, at: PrologueLayout.occurrences)
    describe(header + PrologueLayout.buildID)
  }

  /// Stores build-id (20 bytes) and version (16, padded with zeros) one behind the other.
  public func describe(_ place: UnsafeMutableRawPointer) {
    if let buildID, buildIDLength >= UInt32(BuildID.count) {
      place.store(buildID, count: BuildID.count, at: 0)
    }
    guard let version else { return }
    for i in 0..<PrologueLayout.imageVersionSize - 1 {
      let byte = UInt8(bitPattern: version[i])
      guard byte != 0 else { return }
      place.store8(byte, at: BuildID.count + i)
    }
  }
}
