// What an application and the boot agent call: prepare a capture, register memory, crash on purpose.

import BoardHAL
import DumpFormat
import DumpRing

/// Crash capture. There is one per board, and its state lies in the board's working RAM.
public enum CrashCapture {
  /// Bytes of the interrupted stack that a dump holds unless ``limitStack(to:)`` says otherwise.
  public static let defaultStackLimit: UInt32 = 4096
  /// Bytes of static RAM that capture needs beside its page and the crash stack.
  public static let stateSize = CaptureState.size

  /// Makes the fault path ready to leave a dump in retained RAM, with as much memory as fits there: all
  /// that an image without a ring needs, once per boot and with guarded memory open. Context: boot.
  ///
  /// - Parameters:
  ///   - bootCount: this boot's number; with a sequence it names the dump.
  ///   - component: number of the image that runs: 0 application, 1 loader, others by agreement.
  public static func prepare(bootCount: UInt32, component: UInt8) {
    let state = CaptureState.current
    state.pointee.bootCount = bootCount
    state.pointee.component = component
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
    let count = Int(state.pointee.regionCount)
    guard count < CaptureState.mostRuns else { return false }
    withGuardedOpen {
      let region = state.regions + count * CaptureState.regionStride
      region.store32(address, at: 0)
      region.store32(length, at: 4)
      region.store32(UInt32(id) << 16, at: 8)
      state.pointee.regionCount += 1
    }
    return true
  }

  /// Keeps a run of memory out of every dump of this boot: wherever a dump would hold it, stack
  /// included, it holds zeros, and says so. Contexts: boot, app.
  ///
  /// - Returns: `false` when 8 are redacted already.
  @discardableResult
  public static func redact(address: UInt32, length: UInt32) -> Bool {
    let state = CaptureState.current
    let count = Int(state.pointee.redactionCount)
    guard count < CaptureState.mostRuns else { return false }
    withGuardedOpen {
      let run = state.redactions + count * 8
      run.store32(address, at: 0)
      run.store32(length, at: 4)
      state.pointee.redactionCount += 1
    }
    return true
  }

  /// Sets how many bytes of the interrupted stack a dump holds at most. Contexts: boot, app.
  public static func limitStack(to bytes: UInt32) {
    withGuardedOpen {
      CaptureState.current.pointee.stackLimit = bytes &- defaultStackLimit
    }
  }

  /// Leaves a breadcrumb: one of the last 32 events that a dump of this boot shows, also that of a hang
  /// which the watchdog ends. Contexts: boot, app, and interrupt handlers of the application.
  ///
  /// - Parameters:
  ///   - id: what happened, by the application's own numbers.
  ///   - value: something about it.
  public static func breadcrumb(_ id: UInt32, _ value: UInt32 = 0) {
    withGuardedOpen { Breadcrumbs.add(id, value) }
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
