// What the agent does before it talks: what the last boot left behind, erase-ahead, the fault path.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import DumpSealing

/// Keeps what the boot before left in retained RAM, and makes the fault path ready. Context: boot.
struct Leftovers {
  let gate: ConsentGate
  let ring: DumpRing?
  var log: StateLog?
  let bootCount: UInt32
  let component: UInt8

  /// Stores what the last boot left, when consent allows it, and forgets it.
  mutating func keep() {
    if gate.state(at: halMonotonicMicroseconds()) == .allowed {
      // What a reset in the middle of a new consent, or flash, left of the one before.
      ring?.releaseAll(butOf: gate.epoch)
      storeLeftDump()
      if halResetCause() == .watchdog, bootCount > 1 {
        // The registers are not known, but what the application had noted is.
        Self.drawKeys(gate)
        withGuardedOpen {
          LeftDump().recordWatchdogReset(boot: bootCount - 1, component: component)
        }
        storeLeftDump()
      }
    }
    withGuardedOpen {
      LeftDump().clear()
      Breadcrumbs.clear()
    }
  }

  /// Hands a ready slot to the fault path.
  func prepareCapture() {
    Self.drawKeys(gate)
    let slot = ring?.makeReady(dumpsPerFingerprint: gate.dumpsPerFingerprint)
    withGuardedOpen {
      CrashCapture.prepare(
        bootCount: bootCount, component: component, slot: slot.flatMap { ring?.offset(of: $0) },
        slotSize: ring?.slotSize ?? 0, log: log)
    }
  }

  /// Draws new keys for the next dumps, when consent is given and there is entropy: without them a crash
  /// is counted and nothing more.
  static func drawKeys(_ gate: ConsentGate) {
    guard gate.state(at: halMonotonicMicroseconds()) == .allowed,
      sealingKeys().isReady(epoch: gate.epoch)
    else { return }
    drawKey(.ring)
    drawKey(.left)
  }

  private static func drawKey(_ purpose: SealingKeys.Purpose) {
    var words = InlineArray<12, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &words) { pointer in
      let salt = UnsafeMutableRawPointer(pointer)
      let key = salt + SealedLayout.saltSize
      guard halEntropy(salt.assumingMemoryBound(to: UInt8.self), SealedLayout.saltSize) == .ok
      else { return }
      sealingKeys().export(salt: salt, key)
      withGuardedOpen { sealingKeys().put(purpose, salt: salt, key) }
      key.clear(DeviceKey.size)
    }
  }

  /// Counts the crash whose dump lies in retained RAM, and moves the dump into the ring unless its
  /// fingerprint has been kept often enough.
  private mutating func storeLeftDump() {
    let left = LeftDump()
    let length = left.length
    guard length > 0 else { return }
    let dump = left.start
    if dump.load8(at: PrologueLayout.flags) == PrologueLayout.registerOnly,
      dump.load32(at: PrologueLayout.sequence) == 1
    {
      // It had a slot to write to, unless none was ready, and the slot did not take it.
      ring?.doubt()
    }
    let key = DumpKey(
      bootCount: dump.load32(at: PrologueLayout.bootCount),
      sequence: dump.load32(at: PrologueLayout.sequence))
    // The ring has it when the fault path failed behind its commit.
    guard ring?.find(key) == nil else { return }
    let name = Fingerprint(rawValue: dump.load64(at: PrologueLayout.fingerprint))
    let limit = gate.dumpsPerFingerprint
    let seen = log?.find(name)
    if let ring, seen?.total ?? 0 < gate.dumpsToKeep(of: name) {
      // A slot that does not take it is not offered again.
      while let slot = ring.makeReady(dumpsPerFingerprint: limit) {
        if ring.store(dump, length: length, in: slot) { break }
      }
    }
    let seconds = wholeSeconds(dump.load64(at: PrologueLayout.uptime))
    _ = log?.count(name, in: seen, boot: key.bootCount, uptime: seconds)
    withGuardedOpen { LastCrash.note(name, boot: key.bootCount, uptime: seconds) }
  }
}
