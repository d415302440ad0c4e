// The service's names for dumps: the region, the time of reception and chance.

import DumpFormat
import Foundation

/// `us-east-` and a UUID of version 7 (RFC 9562, 5.7), whose first 48 bits are milliseconds since 1970.
///
/// So an id says where its dump is and of which day, the ids of one region are in the order of
/// reception, and a new row goes to the end of an index.
enum DumpID {
  /// A new id.
  static func make(in region: Region, at time: Int64) -> String {
    // Whole words: each number of chance is a question to the system.
    var chance = SystemRandomNumberGenerator()
    let high = UInt64(truncatingIfNeeded: time) << 16 | 0x7000 | chance.next() & 0x0FFF
    let low = 0x8000_0000_0000_0000 | chance.next() & 0x3FFF_FFFF_FFFF_FFFF
    let digits = withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }.hexDigits.utf8
    var id = Array(region.storeName.utf8)
    for (place, digit) in digits.enumerated() {
      if [0, 8, 12, 16, 20].contains(place) { id.append(UInt8(ascii: "-")) }
      id.append(digit)
    }
    return String(decoding: id, as: UTF8.self)
  }

  /// What every id of a dump received at `time` or later is not less than, and every earlier one is
  /// less than; milliseconds since 1970.
  static func lowest(in region: Region, at time: Int64) -> String {
    let digits = String(max(0, time), radix: 16)
    let padded = String(repeating: "0", count: max(0, 12 - digits.count)) + digits
    return "\(region.storeName)-\(padded.prefix(8))-\(padded.dropFirst(8))"
  }

  /// When the dump was received, milliseconds since 1970; `nil` when `id` is no id of that region.
  static func time(of id: String, in region: Region) -> Int64? {
    let prefix = "\(region.storeName)-"
    guard id.hasPrefix(prefix), let uuid = UUID(uuidString: String(id.dropFirst(prefix.count)))
    else { return nil }
    return withUnsafeBytes(of: uuid.uuid) { bytes in
      bytes.prefix(6).reduce(0) { $0 << 8 | Int64($1) }
    }
  }
}
