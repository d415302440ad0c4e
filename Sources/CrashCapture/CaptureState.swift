// What the fault path must know before a crash: it lies in the board's working RAM, not in globals.

import BoardHAL
import DumpFormat
import DumpRing

/// A run of memory that the application wants in its dumps.
struct RegisteredRegion {
  var address: UInt32
  var length: UInt32
  var id: UInt16
}

/// The fault path's state. Zero at every start, which means: not prepared, nothing registered.
struct CaptureState {
  /// ``preparedMark`` once the boot agent has prepared a capture.
  var prepared: UInt32
  var bootCount: UInt32
  /// Flash offset of the ready slot; ``noSlot`` when none was ready.
  var slotOffset: UInt32
  /// Bytes of the slot.
  var slotSize: UInt32
  /// Bytes of the interrupted stack that a dump holds at most.
  var stackLimit: UInt32
  var regionCount: UInt32
  var regions: InlineArray<8, RegisteredRegion>

  static let preparedMark: UInt32 = 0x5052_4550
  static let noSlot: UInt32 = .max
  static let mostRegions: UInt32 = 8

  /// The writer's page behind a state, ``DumpWriter/pageSize`` bytes.
  static func page(behind state: UnsafeMutablePointer<CaptureState>) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(state) + WorkingLayout.page
  }

  /// The one in this board's working RAM.
  static var current: UnsafeMutablePointer<CaptureState> {
    halWorking().start.assumingMemoryBound(to: CaptureState.self)
  }
}

/// How the modules share the board's working RAM, bytes from its start.
public enum WorkingLayout {
  /// Where the fault path's page begins; ``CaptureState`` lies in front of it.
  static let page = 256
  /// Where the boot agent's buffers begin.
  public static let agent = 1024
}
