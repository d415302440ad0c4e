// Loses whole frames from a stream of bytes, as a line does whose bursts of noise are short.

/// Draws, for each frame that passes, whether it is lost.
public struct FrameLoss: Sendable {
  /// Probability that a frame is lost, 0 to 1.
  public let rate: Double
  public private(set) var lost = 0
  public private(set) var passed = 0
  private var generator: SeededGenerator
  /// Between the `00` that begins a frame and the one that ends it; `nil` outside.
  private var isLosing: Bool?
  private var isAtStart = false

  public init(rate: Double, generator: SeededGenerator) {
    self.rate = rate
    self.generator = generator
  }

  /// What is left of bytes, the next of the stream.
  public mutating func pass(_ bytes: [UInt8]) -> [UInt8] {
    rate > 0 ? bytes.filter { passes($0) } : bytes
  }

  private mutating func passes(_ byte: UInt8) -> Bool {
    guard byte != 0 else {
      defer {
        // The end of a frame may be the start of the next.
        isAtStart = true
        isLosing = nil
      }
      return isLosing != true
    }
    if isAtStart {
      isAtStart = false
      let isLost = generator.chance(rate)
      isLosing = isLost
      if isLost { lost += 1 } else { passed += 1 }
    }
    return isLosing != true
  }
}
