// What the tests of the ring share: a small board, dumps written as the fault path writes them.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit

/// Flash offset of the test boards' ring.
let ringOffset: UInt32 = 3 * 4096

/// A board with `sectors` sectors of ring behind its state.
func makeBoard(sectors: UInt32 = 6, seed: UInt64 = 1) throws -> EmulatedBoard {
  var configuration = EmulatedBoard.Configuration(seed: seed)
  configuration.flash = FlashGeometry(
    size: (sectors + 3) * 4096, sectorSize: 4096, pageSize: 256, ringOffset: ringOffset,
    ringSize: sectors * 4096, stateOffset: 0, stateSize: 3 * 4096)
  return try EmulatedBoard(configuration)
}

/// The ring of the board that HAL calls act on.
func makeRing(slotSize: UInt32 = 4096) -> DumpRing? {
  DumpRing(geometry: halFlashGeometry(), slotSize: slotSize)
}

func key(_ bootCount: UInt32, _ sequence: UInt32 = 1) -> DumpKey {
  DumpKey(bootCount: bootCount, sequence: sequence)
}

extension DumpRing {
  /// The state of every slot.
  var states: [SlotState] { (0..<slotCount).map { slot($0).state } }

  /// The keys of the waiting dumps, in order.
  var waitingKeys: [DumpKey] {
    var keys: [DumpKey] = []
    var last = DumpKey(bootCount: 0, sequence: 0)
    while let slot = next(after: last), keys.count < 100 {
      keys.append(slot.key)
      last = slot.key
    }
    return keys
  }

  /// Erases ahead until nothing is left to do, as boots do over time.
  @discardableResult
  func reclaimAll(dumpsPerFingerprint: UInt8 = 3) -> Int {
    var steps = 0
    while steps < 100, (try? reclaimOne(dumpsPerFingerprint: dumpsPerFingerprint)) == true {
      steps += 1
    }
    return steps
  }

  /// Writes a dump into the ready slot that the fault path would take. `nil` when none is ready.
  @discardableResult
  func capture(
    _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8] = [UInt8](0..<100)
  ) throws -> UInt32? {
    guard let slot = readySlot() else { return nil }
    try write(key, fingerprint: fingerprint, content: content, in: slot.index)
    return slot.index
  }

  /// Writes a dump into a slot, whatever it holds.
  func write(
    _ key: DumpKey, fingerprint: UInt64 = 0, content: [UInt8] = [UInt8](0..<100), in index: UInt32
  ) throws {
    let page = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
    defer { page.deallocate() }
    var header = DumpHeader(kind: .crash, key: key)
    header.fingerprint = Fingerprint(rawValue: fingerprint)
    var writer = DumpWriter(
      sink: .slot(offset(of: index)), room: slotSize - SlotLayout.dump, page: page)
    try writer.begin(header)
    if writer.beginBlock(.reason, content: UInt32(content.count)) > 0 {
      content.withUnsafeBytes { writer.append($0) }
    }
    try writer.finish()
  }

  /// The dump in a slot, whole.
  func dump(in slot: Slot) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(slot.dumpLength))
    try bytes.withUnsafeMutableBytes { try read(slot, at: 0, into: $0) }
    return bytes
  }
}

/// Whether bytes are a whole dump.
func isWhole(_ dump: [UInt8]) -> Bool {
  dump.withUnsafeBytes { (try? DumpPrologue(verifyingDump: $0)) != nil }
}
