// Little-endian loads and stores at any alignment, for the encoders and decoders of every format.

extension UnsafeRawPointer {
  /// The byte at `offset`.
  @inline(__always)
  public func load8(at offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

  /// The 16-bit number at `offset`.
  @inline(__always)
  public func load16(at offset: Int) -> UInt16 {
    UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The 32-bit number at `offset`.
  @inline(__always)
  public func load32(at offset: Int) -> UInt32 {
    UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// The 64-bit number at `offset`.
  @inline(__always)
  public func load64(at offset: Int) -> UInt64 {
    UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}

extension UnsafeMutableRawPointer {
  /// Stores one byte at `offset`.
  @inline(__always)
  public func store8(_ value: UInt8, at offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  /// Stores a 16-bit number at `offset`.
  @inline(__always)
  public func store16(_ value: UInt16, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// Stores a 32-bit number at `offset`.
  @inline(__always)
  public func store32(_ value: UInt32, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
  }

  /// Stores a 64-bit number at `offset`.
  @inline(__always)
  public func store64(_ value: UInt64, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt64.self)
  }
}

extension UInt64 {
  /// A 32-bit number, widened.
  ///
  /// The library's own conversion is generic, and its code for 32-bit targets refers to array storage,
  /// which firmware built with `-no-allocations` may not.
  @inline(__always)
  public init(widening value: UInt32) {
    self = unsafeBitCast((value.littleEndian, 0 as UInt32), to: UInt64.self).littleEndian
  }
}
