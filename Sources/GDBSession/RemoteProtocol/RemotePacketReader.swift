// Framing of gdb's remote protocol: bytes in, packets out, no transport.

import DumpAnalysis

/// Takes packets `$content#checksum` out of a stream. Any bytes are safe to feed; memory stays
/// below the longest packet.
struct RemotePacketReader {
  enum Event: Equatable {
    case packet([UInt8])
    /// The checksum does not match, or the packet is longer than allowed.
    case damaged
    /// The other side asks for the last answer again.
    case resend
    /// The other side wants the target to stop.
    case interrupt
  }

  private enum State {
    case idle
    case content
    case checksum
    case lastDigit(UInt8?)
  }

  let longest: Int
  private var state = State.idle
  private var content: [UInt8] = []
  private var sum: UInt8 = 0
  private var isTooLong = false

  init(longest: Int) { self.longest = longest }

  mutating func feed(_ byte: UInt8) -> Event? {
    switch state {
    case .idle:
      switch byte {
      case UInt8(ascii: "$"): begin()
      case UInt8(ascii: "-"): return .resend
      case 3: return .interrupt
      default: break
      }
    case .content:
      switch byte {
      case UInt8(ascii: "#"): state = .checksum
      case UInt8(ascii: "$"): begin()
      default:
        sum &+= byte
        if content.count < longest { content.append(byte) } else { isTooLong = true }
      }
    case .checksum:
      state = .lastDigit(Self.digit(byte))
    case .lastDigit(let high):
      state = .idle
      guard let high, let low = Self.digit(byte), high << 4 | low == sum, !isTooLong else {
        return .damaged
      }
      return .packet(content)
    }
    return nil
  }

  private mutating func begin() {
    state = .content
    content.removeAll(keepingCapacity: true)
    sum = 0
    isTooLong = false
  }

  static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// `$content#checksum`, with the bytes escaped that have a meaning in the protocol.
  static func framed(_ content: some Sequence<UInt8>) -> [UInt8] {
    var result: [UInt8] = [UInt8(ascii: "$")]
    var sum: UInt8 = 0
    func put(_ byte: UInt8) {
      result.append(byte)
      sum &+= byte
    }
    for byte in content {
      switch byte {
      case UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "}"), UInt8(ascii: "*"):
        put(UInt8(ascii: "}"))
        put(byte ^ 0x20)
      default: put(byte)
      }
    }
    return result + [UInt8(ascii: "#")] + Array(sum.bareHex.utf8)
  }
}
