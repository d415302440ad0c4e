// The 64-bit name of a crash that identical crashes share.

/// A crash's fingerprint: FNV-1a over build-id, kind, and PC and LR relative to the image.
///
/// Identical crashes have the same one on every device, because it depends on the image and the
/// place in it alone.
public struct Fingerprint: Hashable, Sendable {
  public var rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// - Parameters:
  ///   - pc: program counter minus the image's code start; `nil` when not known.
  ///   - lr: link register minus the image's code start; `nil` when not known.
  public init(buildID: BuildID, kind: CrashKind, pc: UInt32?, lr: UInt32?) {
    rawValue = 0xCBF2_9CE4_8422_2325
    for i in 0..<BuildID.count { feed(buildID.bytes[i]) }
    feed(kind.rawValue)
    feed(pc ?? .max)
    feed(lr ?? .max)
  }

  private mutating func feed(_ byte: UInt8) {
    rawValue = (rawValue ^ UInt64(widening: UInt32(byte))) &* 0x100_0000_01B3
  }

  private mutating func feed(_ word: UInt32) {
    var rest = word
    for _ in 0..<4 {
      feed(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }
}
