// How an FTDI chip is told its speed: a divisor in eighths, in an encoding of its own.

/// The divisor for a speed (FTDI AN_120; AN232B-05 for the eighths' encoding).
///
/// The clock is 3 MHz, or 12 MHz on the high-speed chips for 1200 baud and more; below it they use
/// the other chips' clock. Divisors 0 and 1 mean 1 and 1.5; between 1 and 2 there is nothing else.
struct FTDIDivisor: Hashable, Sendable {
  /// Bits 13:0 the whole part, 16:14 the code of the eighths, 17 the 12 MHz clock.
  let encoded: UInt32
  /// The speed that comes out, in baud.
  let actual: Double

  /// How far a line's speed may be off: a byte of 10 bits is read right up to about 5 %, of which the
  /// other side may have a part.
  private static let tolerance = 0.03

  /// - Throws: ``SerialLinkError`` when no divisor is within 3 % of `baud`.
  init(baud: Int, model: FTDIChip.Model, name: String) throws(SerialLinkError) {
    let usesFastClock = model == .highSpeed && baud >= 1_200
    let clock = usesFastClock ? 12_000_000 : 3_000_000
    let wanted = max(1, (clock * 8 + baud / 2) / max(1, baud))
    let eighths = Self.nearest(to: wanted)
    actual = Double(clock * 8) / Double(eighths)
    guard abs(actual - Double(baud)) <= Double(baud) * Self.tolerance, eighths >> 3 < 1 << 14 else {
      throw SerialLinkError(
        code: .cannotOpen, message: "an \(name) cannot make \(baud) baud",
        remedy: "The nearest that it can is \(Int(actual.rounded())) baud; "
          + "it divides \(clock) by 1, 1.5, 2 and then in steps of an eighth.")
    }
    let code: UInt32
    switch eighths {
    case 8: code = 0
    case 12: code = 1
    default:
      let codes: [UInt32] = [0, 3, 2, 4, 1, 5, 6, 7]
      code = UInt32(eighths >> 3) | codes[eighths & 7] << 14
    }
    encoded = code | (usesFastClock ? 1 << 17 : 0)
  }

  private static func nearest(to eighths: Int) -> Int {
    switch eighths {
    case ..<10: 8
    case 10..<14: 12
    case 14..<16: 16
    default: eighths
    }
  }

  var value: UInt16 { UInt16(truncatingIfNeeded: encoded) }

  /// The bits that do not fit into wValue, which chips with more than one port, and the FT232H, want
  /// above the port's number.
  func index(model: FTDIChip.Model, port: UInt16) -> UInt16 {
    let high = UInt16(truncatingIfNeeded: encoded >> 16)
    return model == .single ? high : high << 8 | port
  }
}
