// What the tests of the ring share: a small board, dumps written as the fault path writes them.

import BoardHAL
import DumpFormat
@testable import DumpRing
import DumpSealing
import Foundation
import MartletTestKit

/// Whether the whole of a campaign is run instead of a slice of it.
let isCampaign = ProcessInfo.processInfo.environment["MARTLET_CAMPAIGN"] != nil

/// Flash offset of the test boards' ring: behind a state area of 5 sectors.
let ringOffset: UInt32 = 5 * 4096

/// A board with `sectors` sectors of ring behind its state.
func makeBoard(
  sectors: UInt32 = 6, stateSectors: UInt32 = 5, seed: UInt64 = 1
) throws -> EmulatedBoard {
  var configuration = EmulatedBoard.Configuration(seed: seed)
  configuration.flash = FlashGeometry(
    size: ringOffset + sectors * 4096, sectorSize: 4096, pageSize: 256, ringOffset: ringOffset,
    ringSize: sectors * 4096, stateOffset: 0, stateSize: stateSectors * 4096)
  configuration.ramSize = 4096
  configuration.codeSize = 4096
  return try EmulatedBoard(configuration)
}

/// Mounts the ring of the board that HAL calls act on, in its scratch RAM: what was mounted there before
/// is seen anew too.
func makeRing(slotSize: UInt32 = 4096) -> DumpRing? {
  DumpRing(geometry: halFlashGeometry(), slotSize: slotSize, table: halScratch().start)
}

func key(_ bootCount: UInt32, _ sequence: UInt32 = 1) -> DumpKey {
  DumpKey(bootCount: bootCount, sequence: sequence)
}

/// Everything that a table says of a slot.
struct SlotFacts: Equatable {
  var state: SlotState
  var isVerified: Bool
  var isSettled: Bool
  var eraseCount: UInt32
  var key: DumpKey
  var fingerprint: Fingerprint
  var dumpLength: UInt32

  init(_ slot: Slot) {
    state = slot.state
    isVerified = slot.isVerified
    isSettled = slot.isSettled
    eraseCount = slot.eraseCount
    key = slot.key
    fingerprint = slot.fingerprint
    dumpLength = slot.dumpLength
  }
}

extension DumpRing {
  /// The state of every slot.
  var states: [SlotState] { (0..<slotCount).map { slot($0).state } }

  /// The whole table.
  var facts: [SlotFacts] { (0..<slotCount).map { SlotFacts(slot($0)) } }

  /// The keys of the waiting dumps, in the order in which the agent offers them.
  var waitingKeys: [DumpKey] {
    get throws(FlashError) {
      var keys: [DumpKey] = []
      var last = DumpKey(bootCount: 0, sequence: 0)
      while let index = try next(after: last), keys.count < 100 {
        keys.append(slot(index).key)
        last = slot(index).key
      }
      return keys
    }
  }

  /// Writes a dump into the slot that the fault path would take, as the fault path does, and mounts it
  /// as the next boot does. `nil` when none is ready.
  @discardableResult
  func capture(
    _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8] = [UInt8](0..<100)
  ) throws -> Int? {
    guard let index = readySlot() else { return nil }
    defer { mount(index) }
    try writeDump(key, fingerprint: fingerprint, content: content) { seal, buffer in
      DumpWriter(slot: offset(of: index), size: slotSize, seal: seal, buffer: buffer)
    }
    Self.settle(slot: offset(of: index))
    return index
  }

  /// Makes a slot ready if none is and captures into it.
  @discardableResult
  func keep(
    _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8] = [UInt8](0..<100)
  ) throws -> Int? {
    _ = makeReady(dumpsPerFingerprint: 3)
    return try capture(key, fingerprint: fingerprint, content: content)
  }

  /// The dump in a slot, whole.
  func dump(in index: Int) throws -> [UInt8] {
    let length = slot(index).dumpLength
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(length), alignment: 8)
    defer { copy.deallocate() }
    if let base = copy.baseAddress { try read(index, at: 0, base, count: length) }
    return Array(copy)
  }
}

/// Writes a dump of one block with the writer that `makeWriter` makes over a buffer.
@discardableResult
func writeDump(
  _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8],
  _ makeWriter: (DumpSeal, UnsafeMutableRawPointer) -> DumpWriter
) throws -> UInt32 {
  var header = DumpHeader(kind: .crash, key: key)
  header.fingerprint = Fingerprint(rawValue: fingerprint)
  return try SealFixture().use(header) { seal, buffer in
    var writer = makeWriter(seal, buffer)
    writer.begin()
    content.withUnsafeBytes { raw in
      if let base = raw.baseAddress { writer.add(.reason, base, length: UInt32(content.count)) }
    }
    return try writer.finish()
  }
}

/// A whole dump in memory, as the fault path leaves one.
func memoryDump(
  _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8] = [UInt8](0..<100), room: Int = 4096
) throws -> [UInt8] {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 8)
  defer { memory.deallocate() }
  guard let start = memory.baseAddress else { return [] }
  let length = try writeDump(key, fingerprint: fingerprint, content: content) { seal, buffer in
    DumpWriter(memory: start, size: UInt32(room), seal: seal, buffer: buffer)
  }
  return Array(memory.prefix(Int(length)))
}

/// Whether bytes are a whole dump.
func isWhole(_ dump: [UInt8]) -> Bool {
  dump.withUnsafeBytes { (try? DumpPrologue(verifyingDump: $0)) != nil }
}
