// How large DATA frames should be on a line that damages some.

import LinkProtocol

/// Halves the frame size while many frames come damaged, and doubles it again when none are.
///
/// A frame costs 15 bytes beside its content; a damaged one costs all of it, and the longer it is, the
/// sooner it is hit. With every hundredth byte of a thousand hit, frames of 1 KiB hardly ever pass. At
/// one damaged frame in eight, halves carry more than wholes from 64 bytes to 4 KiB.
struct FrameSizer {
  /// Damaged frames before anything is concluded.
  private static let leastDamaged = 4
  /// Whole frames in a row of counting before larger ones are tried.
  private static let leastWhole = 128

  /// Largest frame before COBS to agree on, bytes.
  private(set) var size: Int
  private let limit: Int
  private var whole = 0
  private var damaged = 0

  /// - Parameter limit: largest frame that the host takes.
  init(limit: Int) {
    self.limit = limit
    size = limit
  }

  /// A DATA frame arrived. Returns whether ``size`` has changed.
  mutating func noteWhole() -> Bool {
    whole += 1
    guard whole >= Self.leastWhole else { return false }
    let isClean = damaged * 32 <= whole
    whole = 0
    damaged = 0
    guard isClean, size < limit else { return false }
    size = min(size * 2, limit)
    return true
  }

  /// Something arrived that was a frame once. Returns whether ``size`` has changed.
  ///
  /// - Parameter agreed: the frame size that both ends use.
  mutating func noteDamaged(agreed: Int) -> Bool {
    damaged += 1
    guard damaged >= Self.leastDamaged, damaged * 8 > whole + damaged else { return false }
    whole = 0
    damaged = 0
    let smaller = max(FrameLimit.smallest, min(size, agreed) / 2)
    defer { size = smaller }
    return smaller < size
  }
}
