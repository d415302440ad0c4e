// Every bit of a stored dump is flipped, one at a time, as ageing flash does.

import BoardHAL
import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

@Suite struct BitFlipTests {
  /// What became of the dump whose bit was flipped.
  private enum Outcome { case whole, notOffered, noticed, unnoticed }

  /// A board with one dump in its ring.
  private struct Stored: Sendable {
    var image: [UInt8]
    var retained: [UInt8]
    var bytes: [UInt8]
    /// Flash offset of the slot, and of the dump's first byte.
    var slot: Int
    var dump: Int
  }

  /// - Parameter isVerified: the boot agent has seen the dump already, and holds it to be whole.
  private static func stored(isVerified: Bool) throws -> Stored {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash()
    var image = try bench.board.norImage()
    var retained = bench.board.retained
    bench.boot()
    let dumps = bench.fetchAll()
    let (_, bytes) = try #require(dumps.first)
    if isVerified {
      image = try bench.board.norImage()
      retained = bench.board.retained
    }
    let flash = bench.board.configuration.flash
    let ring = Int(flash.ringOffset)..<Int(flash.ringOffset + flash.ringSize)
    let start = try #require(
      ring.first { image[$0] == bytes[0] && image[$0...].starts(with: bytes.prefix(96)) })
    return Stored(
      image: image, retained: retained, bytes: bytes, slot: start & ~4095, dump: start)
  }

  /// Flips `bits` of the part, one at a time, and boots.
  private static func flip(
    _ bits: [Int], _ stored: Stored, _ progress: CampaignProgress
  ) throws -> [Outcome] {
    let bench = try Bench()
    bench.boot()
    bench.give()
    return try bits.map { bit in
      defer { progress.step() }
      try bench.board.setNor(at: 0, to: stored.image)
      try bench.board.flipNorBit(bit)
      bench.board.retained = stored.retained
      bench.reboot()
      guard let offer = bench.next() else { return .notOffered }
      let bytes = bench.fetch(offer.key, length: offer.length)
      guard (try? bench.decode(bytes)) != nil else { return .noticed }
      return bytes == stored.bytes ? .whole : .unnoticed
    }
  }

  private static func sweep(_ bits: [Int], _ stored: Stored) async throws -> [Outcome] {
    let progress = CampaignProgress("bitflip", total: bits.count)
    let chunks = stride(from: 0, to: bits.count, by: 1000).map { Array(bits[$0...].prefix(1000)) }
    return try await Campaign.run(chunks) { try flip($0, stored, progress) }.flatMap { $0 }
  }

  @Test func `no flipped bit of a dump stays unnoticed`() async throws {
    var generator = SeededGenerator.fromEnvironment()
    var outcomes: [Outcome] = []
    for isVerified in [false, true] {
      let stored = try Self.stored(isVerified: isVerified)
      let all = Array(stored.dump * 8..<(stored.dump + stored.bytes.count) * 8)
      let bits = isCampaign ? all : all.filter { _ in generator.chance(0.06) }
      let ofThese = try await Self.sweep(bits, stored)
      for (bit, outcome) in zip(bits, ofThese) where outcome == .unnoticed || outcome == .whole {
        Issue.record("bit \(bit - stored.dump * 8) of the dump: \(outcome)")
      }
      outcomes += ofThese
    }
    Figure.report("bitflip.positions", outcomes.count, "bits")
    Figure.report("bitflip.refused", outcomes.count { $0 == .notOffered }, "bits")
    Figure.report("bitflip.unnoticed", outcomes.count { $0 == .unnoticed || $0 == .whole }, "bits")
  }

  @Test func `no flipped bit beside a dump gives the dump up`() async throws {
    for isVerified in [false, true] {
      let stored = try Self.stored(isVerified: isVerified)
      let bits = Array(stored.slot * 8..<stored.dump * 8)
      let outcomes = try await Self.sweep(bits, stored)
      for (bit, outcome) in zip(bits, outcomes) where outcome != .whole {
        Issue.record("bit \(bit - stored.slot * 8) of the slot: \(outcome)")
      }
    }
  }
}
