// Memory that only an application has, and the search for it elsewhere.

/// Bytes that stand for an application's secret.
public struct Marker: Sendable {
  public let bytes: [UInt8]
  private let runs: Set<[UInt8]>
  /// Which first three bytes runs begin with, a bit each: most of what is searched ends here.
  private let beginnings: [UInt64]
  /// Bytes in a row that count as found: fewer turn up by chance in 4 MiB.
  private static let length = 6

  /// How many runs there are: as many are found where all of the marker is.
  public var runCount: Int { bytes.count - Self.length + 1 }

  /// - Parameter bytes: 6 at least, none of which anybody can guess.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    var runs: Set<[UInt8]> = []
    var beginnings = [UInt64](repeating: 0, count: 1 << 18)
    for i in 0...(bytes.count - Self.length) {
      runs.insert(Array(bytes[i..<i + Self.length]))
      let first = Int(bytes[i]) << 16 | Int(bytes[i + 1]) << 8 | Int(bytes[i + 2])
      beginnings[first >> 6] |= 1 << UInt64(first & 63)
    }
    self.runs = runs
    self.beginnings = beginnings
  }

  /// What `marker <seed>` in the demo's console fills 4 KiB with (CShims/DemoFaults/marker.c).
  public init(demoSeed seed: UInt32) {
    var word = seed == 0 ? 1 : seed
    self.init(
      (0..<1024).flatMap { _ -> [UInt8] in
        word ^= word << 13
        word ^= word >> 17
        word ^= word << 5
        return littleEndian(word)
      })
  }

  /// How many places of `other` hold a run of the marker.
  public func count(in other: [UInt8]) -> Int {
    var count = 0
    other.withUnsafeBufferPointer { other in
      beginnings.withUnsafeBufferPointer { beginnings in
        var last = 0
        var at = 0
        while at < other.count {
          last = (last << 8 | Int(other[at])) & 0xFF_FFFF
          let start = at - 2
          at += 1
          guard beginnings[last >> 6] >> UInt64(last & 63) & 1 != 0, start >= 0,
            start + Self.length <= other.count
          else { continue }
          if runs.contains(Array(other[start..<start + Self.length])) { count += 1 }
        }
      }
    }
    return count
  }
}
