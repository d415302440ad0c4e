// What the agent does before it talks: what the last boot left behind, erase-ahead, the fault path.

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import LinkProtocol

extension BootAgent {
  /// Slots that are made ready before the application starts; the rest follows in later boots.
  private static let mostReclaimed = 2

  /// Moves the register-only dump that a crash left in retained RAM into the ring.
  func storeLeftDump() {
    let left = LeftDump()
    guard let bytes = left.bytes else { return }
    defer { left.clear() }
    guard gate.state(at: halMonotonicMicroseconds()) == .allowed else { return }
    let key: DumpKey
    do throws(DumpFormatError) {
      var header = try DumpHeader(decoding: bytes)
      if header.key.bootCount == 0 {
        // It crashed before its boot was counted: this boot's number has to do.
        header.key = DumpKey(bootCount: bootCount, sequence: 3)
        left.replaceHeader(header)
      }
      key = header.key
    } catch {
      return
    }
    // The fault path may have failed behind its commit: then the ring has the dump already.
    guard let ring, ring.find(key) == nil else { return }
    eraseAhead()
    guard let slot = ring.readySlot() else { return }
    do throws(FlashError) {
      try ring.store(bytes, in: slot)
    } catch {
      // The slot is dirty now and will be reclaimed; flash that fails cannot be helped.
    }
  }

  /// Leaves a record of a boot that the watchdog ended: its registers are not known.
  func recordWatchdogReset() {
    guard halResetCause() == .watchdog, bootCount > 1, let ring,
      gate.state(at: halMonotonicMicroseconds()) == .allowed
    else { return }
    // Sequence 1 is the fault path's: it may have been at work when the watchdog bit.
    let key = DumpKey(bootCount: bootCount - 1, sequence: 2)
    guard ring.find(key) == nil else { return }
    eraseAhead()
    guard let slot = ring.readySlot() else { return }
    var header = DumpHeader(kind: .watchdogReset, key: key)
    header.isRegisterOnly = true
    header.describe(image: halImage())
    header.uptime = gate.clock.update(halMonotonicMicroseconds())
    header.fingerprint = Fingerprint(
      buildID: header.buildID, kind: .watchdogReset, pc: nil, lr: nil)
    header.resetCause = .unknown
    header.consentEpoch = gate.epoch
    var page = InlineArray<64, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &page) { pointer in
      var writer = DumpWriter(
        sink: .slot(ring.offset(of: slot.index)), room: ring.slotSize - SlotLayout.dump,
        page: UnsafeMutableRawPointer(pointer))
      do throws(FlashError) {
        try writer.begin(header)
        try writer.finish()
      } catch {
        // The slot is dirty now and will be reclaimed.
      }
    }
  }

  /// Hands a ready slot to the fault path.
  func prepareCapture() {
    eraseAhead()
    var place: (offset: UInt32, size: UInt32)?
    if let ring, let slot = ring.readySlot() {
      place = (offset: ring.offset(of: slot.index), size: ring.slotSize)
    }
    CrashCapture.prepare(bootCount: bootCount, slot: place)
  }

  private func eraseAhead() {
    guard let ring else { return }
    for _ in 0..<Self.mostReclaimed {
      halWatchdogFeed()
      do throws(FlashError) {
        guard try ring.reclaimOne(dumpsPerFingerprint: gate.dumpsPerFingerprint) else { return }
      } catch {
        return
      }
    }
  }
}
