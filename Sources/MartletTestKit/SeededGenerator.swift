// Chance that can be had again: the generator of every seeded test.

import Foundation

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed, the same numbers, on every machine.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  /// What the generator was made from.
  public let seed: UInt64
  private var state: UInt64

  public init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// The seed in `MARTLET_SEED` (decimal, or hex after `0x`), or a fresh one; printed as `seed: N`
  /// so that a failed run can be had again.
  ///
  /// - Parameter environment: the process's own, unless a test brings one.
  public static func fromEnvironment(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> SeededGenerator {
    let given = environment["MARTLET_SEED"].flatMap { text in
      text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }
    let generator = SeededGenerator(seed: given ?? .random(in: .min ... .max))
    print("seed: \(generator.seed)")
    return generator
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// `count` bytes of noise.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// True with the given probability, 0 to 1. Draws a number in any case, so that rates do not
  /// shift what follows.
  public mutating func chance(_ probability: Double) -> Bool {
    Double(next() >> 11) * 0x1p-53 < probability
  }

  /// A generator of its own for one part of a test.
  public mutating func split() -> SeededGenerator {
    SeededGenerator(seed: next())
  }
}
