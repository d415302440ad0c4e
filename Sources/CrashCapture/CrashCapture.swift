// What an application and the boot agent call: prepare a capture, register memory, crash on purpose.

import BoardHAL
import DumpRing

/// Crash capture. There is one per board, and its state lies in the board's working RAM.
public enum CrashCapture {
  /// Bytes of the interrupted stack that a dump holds unless ``limitStack(to:)`` says otherwise.
  public static let defaultStackLimit: UInt32 = 4096

  /// Makes the fault path ready. The boot agent calls it once per boot. Context: boot.
  ///
  /// - Parameters:
  ///   - bootCount: this boot's number; with a sequence it names the dump.
  ///   - slot: flash offset and size of a ready slot; `nil` when none is ready, so that a crash
  ///     leaves its registers alone.
  public static func prepare(bootCount: UInt32, slot: (offset: UInt32, size: UInt32)?) {
    let state = CaptureState.current
    state.pointee.bootCount = bootCount
    state.pointee.slotOffset = slot?.offset ?? CaptureState.noSlot
    state.pointee.slotSize = slot?.size ?? 0
    if state.pointee.stackLimit == 0 { state.pointee.stackLimit = defaultStackLimit }
    state.pointee.prepared = CaptureState.preparedMark
  }

  /// Adds a run of memory to every dump of this boot. Contexts: boot, app.
  ///
  /// - Parameters:
  ///   - address: board address of the first byte. It is checked again when a crash reads it.
  ///   - length: bytes.
  ///   - id: the application's own number for it, shown with the dump.
  /// - Returns: `false` when 8 are registered already.
  @discardableResult
  public static func register(address: UInt32, length: UInt32, id: UInt16) -> Bool {
    let state = CaptureState.current
    let count = state.pointee.regionCount
    guard count < CaptureState.mostRegions else { return false }
    state.pointee.regions[Int(count)] = RegisteredRegion(address: address, length: length, id: id)
    state.pointee.regionCount = count + 1
    return true
  }

  /// Sets how many bytes of the interrupted stack a dump holds at most. Contexts: boot, app.
  public static func limitStack(to bytes: UInt32) {
    CaptureState.current.pointee.stackLimit = bytes
  }

  /// Ends the application with a reason that the dump holds (256 bytes of it at most). Context: app.
  @inline(__always)
  public static func crash(_ reason: StaticString) -> Never {
    halCrash(reason.utf8Start, UInt32(truncatingIfNeeded: reason.utf8CodeUnitCount), trapCrash)
  }

  /// Ends the application when `condition` does not hold. Context: app.
  @inline(__always)
  public static func assert(_ condition: Bool, _ reason: StaticString) {
    guard !condition else { return }
    halCrash(reason.utf8Start, UInt32(truncatingIfNeeded: reason.utf8CodeUnitCount), trapAssertion)
  }
}

/// The `udf` immediates of the HAL contract.
let trapCrash = UInt32(MARTLET_TRAP_CRASH)
let trapAssertion = UInt32(MARTLET_TRAP_ASSERTION)
let trapAbort = UInt32(MARTLET_TRAP_ABORT)
let trapSwift = UInt32(MARTLET_TRAP_SWIFT)
