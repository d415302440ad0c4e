// The ring of the application's last events, in RAM that a reset keeps, so that a hang shows them too.

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing

/// The breadcrumb ring: a count and its inverse, then entries of 16 bytes (docs/formats/dump.md, block
/// 9). Changes want guarded memory to be open.
public enum Breadcrumbs {
  /// Entries that the ring holds.
  public static let capacity: UInt32 = 32
  static let entrySize: UInt32 = 16
  private static let entries = 8

  private static var memory: UnsafeMutableRawPointer {
    halRetained().start + RetainedLayout.breadcrumbs
  }

  /// Entries added since the ring was cleared; `nil` when what lies there is none.
  private static var count: UInt32? {
    let count = UnsafeRawPointer(memory).load32(at: 0)
    return UnsafeRawPointer(memory).load32(at: 4) == ~count ? count : nil
  }

  /// Forgets all entries.
  public static func clear() {
    memory.clear(entries + Int(capacity * entrySize))
    memory.store32(.max, at: 4)
  }

  static func add(_ id: UInt32, _ value: UInt32) {
    guard let count else { return }
    let entry = memory + entries + Int(count & (capacity - 1)) * Int(entrySize)
    entry.store64(consentGate().uptime(at: halMonotonicMicroseconds()), at: 0)
    entry.store32(id, at: 8)
    entry.store32(value, at: 12)
    // Never all ones, so that what a clear leaves is told from it.
    let next = count == .max - 1 ? capacity : count + 1
    memory.store32(next, at: 0)
    memory.store32(~next, at: 4)
  }

  /// Adds the entries to a dump, oldest first.
  static func write(to writer: inout DumpWriter) {
    guard let count, count > 0 else { return }
    let start = UnsafeRawPointer(memory + entries)
    let oldest = count > capacity ? (count & (capacity - 1)) * entrySize : 0
    let end = min(count, capacity) * entrySize
    let taken = writer.open(UInt32(BlockType.breadcrumbs.rawValue), end)
    let first = min(taken, end &- oldest)
    writer.append(start + Int(oldest), first)
    writer.append(start, taken &- first)
  }
}
