// The GNU build-id that ties a dump to the one ELF file that can explain it.

/// A GNU build-id of 20 bytes (SHA-1), as `--build-id=sha1` leaves it in the image.
public struct BuildID: Sendable {
  /// The number of bytes.
  public static let count = 20

  public var bytes: InlineArray<20, UInt8>

  /// An id of zeros: an image that has none.
  public init() { bytes = InlineArray(repeating: 0) }

  /// Reads an id from 20 bytes at `pointer`.
  public init(at pointer: UnsafeRawPointer) {
    bytes = pointer.loadUnaligned(as: InlineArray<20, UInt8>.self)
  }

  /// Writes the id to 20 bytes at `pointer`.
  public func store(to pointer: UnsafeMutableRawPointer) {
    pointer.storeBytes(of: bytes, as: InlineArray<20, UInt8>.self)
  }
}

extension BuildID: Equatable {
  public static func == (a: BuildID, b: BuildID) -> Bool {
    for i in 0..<Self.count where a.bytes[i] != b.bytes[i] { return false }
    return true
  }
}
