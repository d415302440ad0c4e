// Crash counts as a bridge reads them over the link.

import BoardHAL
import DumpFormat
import LinkProtocol
import MartletTestKit

/// One count of identical crashes.
struct Tally: Equatable {
  var fingerprint: Fingerprint
  var firstBoot: UInt32
  /// Whole seconds; `nil` when not known.
  var firstUptime: UInt32?
  var lastBoot: UInt32
  var lastUptime: UInt32?
  var crashes: UInt32
}

extension Bench {
  /// Every crash count of the board, in its order; `nil` when the board refuses, answers nothing or
  /// knows no such request.
  func tallies() -> [Tally]? {
    guard let request = FrameType(rawValue: 0x88) else { return nil }
    var position: UInt16 = 0
    var tallies: [Tally] = []
    while tallies.count < 1000 {
      let answer = ask(request) { $0.append(position) }
      if let count = answer.last(where: { $0.type == 0x09 }), count.payload.count == 30 {
        let next = UInt16(truncatingIfNeeded: count.word(at: 0, bytes: 2))
        guard next > position else { return nil }
        position = next
        tallies.append(Tally(count))
      } else {
        return answer.contains { $0.is(.none) } ? tallies : nil
      }
    }
    return nil
  }
}

extension Tally {
  /// Reads the payload of a COUNT.
  fileprivate init(_ frame: BoardFrame) {
    func word(_ offset: Int) -> UInt32 {
      UInt32(truncatingIfNeeded: frame.word(at: offset, bytes: 4))
    }
    func seconds(_ offset: Int) -> UInt32? { word(offset) == .max ? nil : word(offset) }
    self.init(
      fingerprint: Fingerprint(rawValue: frame.word(at: 2, bytes: 8)), firstBoot: word(10),
      firstUptime: seconds(14), lastBoot: word(18), lastUptime: seconds(22), crashes: word(26))
  }
}

extension BoardFrame {
  /// A little-endian number in the payload.
  fileprivate func word(at offset: Int, bytes: Int) -> UInt64 {
    payload[offset..<offset + bytes].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension Fingerprint {
  /// The fingerprint of a crash on an emulated board with the image that it comes with.
  init(kind: CrashKind, context: FaultContext?) {
    self.init(
      buildID: BuildID((0..<20).map { UInt8(0xB0 + $0) }), kind: kind, pc: context?.pc,
      lr: context?.lr)
  }
}
