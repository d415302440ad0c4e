// Flash with a long life behind it, so that what happens seldom happens inside a short story.

import BoardHAL
import DumpFormat
import MartletTestKit

/// A board's flash, and the crashes that it has to remember.
struct PreparedFlash: Sendable {
  var image: [UInt8]
  var crashes: [Fingerprint: UInt32]

  static let ringSectors: UInt32 = 6
  /// Different crashes of the life, each again and again.
  private static let places: UInt32 = 40
  /// Steps before the state area is erased at which the image is taken.
  private static let lead = 6

  /// A board that is about to move its counts to other sectors; `nil` when it never does.
  static let aboutToMove: PreparedFlash? = try? life()

  private static func life() throws -> PreparedFlash? {
    let bench = try Bench(.small(seed: 7, ringSectors: ringSectors))
    bench.boot()
    bench.give(dumpsPerFingerprint: 2)
    let erasesAtFirst = bench.stateErases
    var flash = PreparedFlash(image: [], crashes: [:])
    var latest: [PreparedFlash] = []
    for step in 0..<6000 as Range<UInt32> {
      let context = makeFaultContext(pc: 0x4000 + 16 * (step % places))
      bench.crash(context)
      flash.crashes[Fingerprint(kind: .usageFault, context: context), default: 0] += 1
      bench.boot()
      if step < 3 * places, let offer = bench.next() { bench.receipt(offer.key) }
      if bench.stateErases > erasesAtFirst { return latest.first }
      flash.image = try bench.board.norImage()
      latest.append(flash)
      if latest.count > lead { latest.removeFirst() }
    }
    return nil
  }
}

extension Bench {
  /// Erases in the state area.
  var stateErases: Int {
    let flash = board.configuration.flash
    return stride(
      from: flash.stateOffset, to: flash.stateOffset + flash.stateSize, by: Int(flash.sectorSize)
    ).reduce(0) { $0 + board.erases(ofSectorAt: $1) }
  }

  /// Erases of each of the ring's sectors.
  var ringErases: [Int] {
    let flash = board.configuration.flash
    return stride(
      from: flash.ringOffset, to: flash.ringOffset + flash.ringSize, by: Int(flash.sectorSize)
    ).map { board.erases(ofSectorAt: $0) }
  }
}
