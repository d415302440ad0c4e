// The 4 KiB that the demo's application fills and registers, and the search for it.

/// What `marker <seed>` in the demo's console fills 4 KiB with (CShims/DemoFaults/marker.c).
public struct DemoMarker: Sendable {
  public let bytes: [UInt8]
  private let runs: Set<[UInt8]>
  /// Bytes in a row that count as found: fewer turn up by chance in some MiB.
  private static let length = 8

  public init(seed: UInt32) {
    var word = seed == 0 ? 1 : seed
    bytes = (0..<1024).flatMap { _ -> [UInt8] in
      word ^= word << 13
      word ^= word >> 17
      word ^= word << 5
      return littleEndian(word)
    }
    let all = bytes
    runs = Set(
      stride(from: 0, through: all.count - Self.length, by: 4).map {
        Array(all[$0..<$0 + Self.length])
      })
  }

  /// How many runs of the marker stand in `other`, at whatever offset.
  public func count(in other: some Sequence<UInt8>) -> Int {
    let other = Array(other)
    guard other.count >= Self.length else { return 0 }
    let beginnings = Set(runs.map { UInt16($0[0]) << 8 | UInt16($0[1]) })
    return (0...(other.count - Self.length)).count { start in
      beginnings.contains(UInt16(other[start]) << 8 | UInt16(other[start + 1]))
        && runs.contains(Array(other[start..<start + Self.length]))
    }
  }
}
