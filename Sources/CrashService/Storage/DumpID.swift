// The service's names for dumps: the region, the time of reception and chance.

import Foundation

/// `us-east-` and a UUID of version 7 (RFC 9562, 5.7), whose first 48 bits are milliseconds since 1970.
///
/// So an id says where its dump is and of which day, the ids of one region are in the order of
/// reception, and a new row goes to the end of an index.
enum DumpID {
  /// A new id.
  static func make(in region: Region, at time: Int64) -> String {
    var bytes = [UInt8](repeating: 0, count: 16)
    for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: time >> (40 - 8 * index)) }
    var chance = SystemRandomNumberGenerator()
    for index in 6..<16 { bytes[index] = chance.next() }
    bytes[6] = bytes[6] & 0x0F | 0x70
    bytes[8] = bytes[8] & 0x3F | 0x80
    let uuid = bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    return "\(region.storeName)-\(uuid.uuidString.lowercased())"
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
