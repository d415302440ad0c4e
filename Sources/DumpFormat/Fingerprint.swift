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
    var id = buildID
    self = withUnsafeBytes(of: &id.bytes) { bytes in
      guard let base = bytes.baseAddress else { return Fingerprint(rawValue: 0) }
      return Fingerprint(buildID: base, kind: kind, pc: pc ?? .max, lr: lr ?? .max)
    }
  }

  /// - Parameters:
  ///   - buildID: where the build-id's 20 bytes can be read.
  ///   - pc: program counter minus the image's code start; `UInt32.max` when not known.
  ///   - lr: link register minus the image's code start; `UInt32.max` when not known.
  public init(buildID: UnsafeRawPointer, kind: CrashKind, pc: UInt32, lr: UInt32) {
    rawValue = 0xCBF2_9CE4_8422_2325
    feed(buildID, count: BuildID.count)
    // The last byte of the first word and two words: nine bytes in a row.
    var place = ((UInt32(kind.rawValue) << 24).littleEndian, pc.littleEndian, lr.littleEndian)
    withUnsafePointer(to: &place) { feed(UnsafeRawPointer($0) + 3, count: 9) }
  }

  @inline(never)
  private mutating func feed(_ bytes: UnsafeRawPointer, count: Int) {
    var low = rawValue.low
    var high = rawValue.high
    for i in 0..<count {
      // Times 0x100_0000_01B3, 32 bits at a time.
      low ^= UInt32(bytes.load8(at: i))
      let product = UInt64(widening: low) &* 0x1B3
      high = high &* 0x1B3 &+ low << 8 &+ product.high
      low = product.low
    }
    rawValue = UInt64(low: low, high: high)
  }
}
