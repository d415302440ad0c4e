// The firmware that `make cost` measures: it crashes at every boot, as orders in flash say.

import Board
import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DumpSealing

/// What the host wrote into flash before it started the board.
private struct Orders {
  /// Where the orders lie: behind the ring.
  static let offset: UInt32 = 0x20_0000
  /// "COST", little endian.
  static let magic: UInt32 = 0x5453_4F43

  /// Words: magic, slot size, stack limit, bytes of memory to register, places to crash at in turn,
  /// dumps of one fingerprint to keep, 1 to crash in front of the agent after the first boot, 1 to
  /// forward dumps instead of crashing from then on.
  private var words = InlineArray<8, UInt32>(repeating: 0)

  init() {
    withUnsafeMutablePointer(to: &words) { _ = halFlashRead(Self.offset, $0, 32) }
  }

  var areThere: Bool { words[0] == Self.magic }
  var slotSize: UInt32 { words[1] }
  var stackLimit: UInt32 { words[2] }
  var memory: UInt32 { words[3] }
  var places: UInt32 { words[4] }
  var dumpsPerFingerprint: UInt8 { UInt8(truncatingIfNeeded: words[5]) }
  var skipsAgent: Bool { words[6] == 1 }
  var forwards: Bool { words[7] == 1 }
}

/// Entered by the board's start-up code.
@main
struct CostApp {
  /// RAM that nothing uses, for dumps of any size.
  private static let memory: UInt32 = 0x6_0000
  /// Nothing answers here, so that a call to it crashes with this program counter.
  private static let nowhere: UInt32 = 0x3000_0000

  static func main() {
    let orders = Orders()
    guard orders.areThere else { return }
    if orders.skipsAgent, halResetCause() == .fault { crash(at: 0) }
    var agent = BootAgent(slotSize: orders.slotSize)
    grantLease(dumpsPerFingerprint: orders.dumpsPerFingerprint)
    if orders.forwards, halResetCause() == .fault {
      agent.waitForHost { _ in }
      while true { agent.poll { _ in } }
    }
    CrashCapture.limitStack(to: orders.stackLimit)
    if orders.memory > 0 {
      CrashCapture.register(address: memory, length: orders.memory, id: 1)
    }
    crash(at: orders.places > 1 ? agent.bootCount % orders.places : 0)
  }

  /// Opens the gate without a host and without a signature: this image runs in the emulator alone, on
  /// memory without content.
  private static func grantLease(dumpsPerFingerprint: UInt8) {
    let now = halMonotonicMicroseconds()
    let lease = Lease(
      isAllowed: true, dumpsPerFingerprint: dumpsPerFingerprint,
      nonce: InlineArray(repeating: 0), epoch: 1, lifetime: 3600,
      deviceID: InlineArray(repeating: 0))
    var words = InlineArray<48, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &words) { pointer in
      let bytes = UnsafeMutableRawPointer(pointer)
      lease.encode(to: bytes)
      withGuardedOpen {
        _ = consentGate().adopt(bytes, nonceMadeAt: now, at: now)
        sealingKeys().keep(exporter: bytes, enc: bytes, sealingKeyID: 1, epoch: 1)
        sealingKeys().put(.ring, salt: bytes, bytes)
        sealingKeys().put(.left, salt: bytes, bytes)
      }
    }
  }

  /// Crashes with the program counter at one of many places, so that fingerprints differ.
  private static func crash(at place: UInt32) {
    let target = UnsafeRawPointer(bitPattern: UInt(nowhere + place * 2 + 1))
    unsafeBitCast(target, to: (@convention(c) () -> Void).self)()
  }
}
