// The way from a crash into the ring, for images that have one: throttled, counted, written to its slot.

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing
import DumpSealing

extension CrashCapture {
  /// Makes the fault path ready to write to the ring. The boot agent calls it once per boot, with
  /// guarded memory open. Context: boot.
  ///
  /// - Parameters:
  ///   - bootCount: this boot's number; with a sequence it names the dump.
  ///   - component: number of the image that runs: 0 application, 1 loader, others by agreement.
  ///   - slot: flash offset of a ready slot; `nil` when none is ready, so that a crash leaves its
  ///     registers alone.
  ///   - slotSize: bytes of the slot.
  ///   - log: where crashes are counted; `nil` when they cannot be.
  public static func prepare(
    bootCount: UInt32, component: UInt8, slot: UInt32?, slotSize: UInt32, log: StateLog?
  ) {
    let state = CaptureState.current
    state.pointee.slotOffset = slot ?? CaptureState.noSlot
    state.pointee.slotSize = slotSize
    state.pointee.hasLog = log != nil
    if let log { state.pointee.log = log }
    state.pointee.keep = keepInRing
    prepare(bootCount: bootCount, component: component)
  }

  /// Tells the fault path how far the state log has grown since. Guarded memory is open. Contexts: boot,
  /// app.
  public static func replace(log: StateLog) { CaptureState.current.pointee.log = log }
}

/// Counts a crash and, unless its fingerprint has been kept often enough, stores a dump. Answers whether
/// nothing is left to do. The pointer is to a ``CrashRecord``.
private func keepInRing(_ record: UnsafeRawPointer) -> Bool {
  record.assumingMemoryBound(to: CrashRecord.self).pointee.keepInRing()
}

extension CrashRecord {
  fileprivate func keepInRing() -> Bool {
    guard state.pointee.hasLog else { return store() }
    let seen = state.pointee.log.find(fingerprint)
    if seen?.total ?? 0 < gate.dumpsToKeep(of: fingerprint), !store() { return false }
    let seconds = wholeSeconds(uptime)
    let boot = state.pointee.bootCount
    _ = state.pointee.log.count(fingerprint, in: seen, boot: boot, uptime: seconds)
    LastCrash.note(fingerprint, boot: boot, uptime: seconds)
    return true
  }

  @inline(never)
  private func store() -> Bool {
    guard !context.isNested, state.pointee.slotOffset != CaptureState.noSlot,
      let seal = sealingKeys().take(.ring, epoch: gate.epoch)
    else { return false }
    var writer = DumpWriter(
      slot: state.pointee.slotOffset, size: state.pointee.slotSize, seal: seal,
      buffer: state.buffer)
    write(to: &writer, memory: true, flags: 0)
    do throws(FlashError) {
      try writer.finish()
      DumpRing.settle(slot: state.pointee.slotOffset)
      return true
    } catch {
      // What retained RAM holds survives the reset; the slot is not used again.
      DumpRing.retire(slot: state.pointee.slotOffset)
      return false
    }
  }
}

extension LeftDump {
  /// Makes the record of a boot that the watchdog ended: its registers are not known, what it noted is.
  /// Guarded memory is open. Context: boot, before the fault path is prepared.
  ///
  /// - Parameters:
  ///   - boot: number of the boot that ended.
  ///   - component: number of the image that ran.
  public func recordWatchdogReset(boot: UInt32, component: UInt8) {
    let gate = consentGate()
    guard let seal = sealingKeys().take(.left, epoch: gate.epoch) else { return }
    var writer = DumpWriter(
      memory: start, size: UInt32(Self.capacity), seal: seal,
      buffer: CaptureState.current.buffer)
    let header = writer.header
    let image = halImage()
    // Sequence 1 is the fault path's: it may have been at work when the watchdog bit.
    image.fillHeader(
      header, .watchdogReset, image.fingerprint(.watchdogReset, pc: .max, lr: .max), boot: boot,
      sequence: 2, uptime: gate.uptime(at: halMonotonicMicroseconds()), epoch: gate.epoch)
    header.store8(PrologueLayout.registerOnly, at: PrologueLayout.flags)
    header.store8(component, at: PrologueLayout.component)
    writer.begin()
    Breadcrumbs.write(to: &writer)
    finish(&writer)
  }
}
