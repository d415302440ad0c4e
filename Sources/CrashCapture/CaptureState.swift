// What the fault path must know before a crash: it lies in the board's working RAM, not in globals.

import BoardHAL
import DumpFormat
import DumpRing

/// The fault path's state. Zero at every start, which means: not prepared, nothing registered. Changes
/// want guarded memory to be open.
public struct CaptureState {
  /// ``preparedMark`` once the boot agent has prepared a capture.
  var prepared: UInt32
  var bootCount: UInt32
  /// Flash offset of the ready slot; ``noSlot`` when none was ready.
  var slotOffset: UInt32
  /// Bytes of the slot.
  var slotSize: UInt32
  /// Bytes of the interrupted stack that a dump holds at most, less the default; wraps.
  var stackLimit: UInt32
  var component: UInt8
  var hasLog: Bool
  var regionCount: UInt8
  var redactionCount: UInt8
  var log: StateLog
  /// Keeps a crash in the ring; absent where there is none, so that nothing of it is linked.
  var keep: (@convention(c) (_ record: UnsafeRawPointer) -> Bool)?

  static let preparedMark: UInt32 = 0x5052_4550
  static let noSlot: UInt32 = .max
  /// Most registered regions, and most redacted runs.
  static let mostRuns = 8

  /// Bytes of a registered region: address, length, and id in the upper half of a word.
  static let regionStride = 12
  /// Bytes of working RAM that the state takes, the runs behind it included.
  static let size = 256

  /// The one in this board's working RAM.
  static var current: UnsafeMutablePointer<CaptureState> {
    halWorking().start.assumingMemoryBound(to: CaptureState.self)
  }
}

extension UnsafeMutablePointer<CaptureState> {
  /// Up to 8 registered regions, ``CaptureState/regionStride`` bytes each.
  var regions: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) + 64 }
  /// Up to 8 redacted runs: address and length of each.
  var redactions: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) + 192 }
  /// The writer's buffer, behind the state.
  var buffer: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) + CaptureState.size }
}

extension ResetCause {
  /// Why this boot started. Contexts: boot, app, fault.
  public static var current: ResetCause {
    ResetCause(rawValue: halResetCause().rawValue) ?? .unknown
  }
}

/// Does something with guarded memory open. Contexts: boot, app, fault.
@inline(__always)
@discardableResult
public func withGuardedOpen<Result>(_ body: () -> Result) -> Result {
  let token = halOpenGuarded()
  let result = body()
  halCloseGuarded(token)
  return result
}
