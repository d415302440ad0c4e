// Little-endian loads and stores for the encoders and decoders of every format.
//
// Every format keeps its numbers at multiples of their size, so firmware, whose compiler may not use
// unaligned accesses, loads them as they are: there, an address is a multiple of the number's size, or
// of 4 for 64 bits. On the host any address will do.

extension UnsafeRawPointer {
  /// The byte at `offset`.
  @inline(__always)
  public func load8(at offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

  /// The 16-bit number at `offset`.
  @inline(__always)
  public func load16(at offset: Int) -> UInt16 {
    #if hasFeature(Embedded)
      UInt16(littleEndian: load(fromByteOffset: offset, as: UInt16.self))
    #else
      UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    #endif
  }

  /// The 32-bit number at `offset`.
  @inline(__always)
  public func load32(at offset: Int) -> UInt32 {
    #if hasFeature(Embedded)
      UInt32(littleEndian: load(fromByteOffset: offset, as: UInt32.self))
    #else
      UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    #endif
  }

  /// The 64-bit number at `offset`.
  @inline(__always)
  public func load64(at offset: Int) -> UInt64 {
    UInt64(low: load32(at: offset), high: load32(at: offset + 4))
  }
}

extension UnsafeMutableRawPointer {
  /// The byte at `offset`.
  @inline(__always)
  public func load8(at offset: Int) -> UInt8 { UnsafeRawPointer(self).load8(at: offset) }

  /// The 32-bit number at `offset`.
  @inline(__always)
  public func load32(at offset: Int) -> UInt32 { UnsafeRawPointer(self).load32(at: offset) }

  /// The 64-bit number at `offset`.
  @inline(__always)
  public func load64(at offset: Int) -> UInt64 { UnsafeRawPointer(self).load64(at: offset) }

  /// Stores one byte at `offset`.
  @inline(__always)
  public func store8(_ value: UInt8, at offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  /// Stores a 16-bit number at `offset`.
  @inline(__always)
  public func store16(_ value: UInt16, at offset: Int) {
    #if hasFeature(Embedded)
      (self + offset).assumingMemoryBound(to: UInt16.self).pointee = value.littleEndian
    #else
      storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt16.self)
    #endif
  }

  /// Stores a 32-bit number at `offset`.
  @inline(__always)
  public func store32(_ value: UInt32, at offset: Int) {
    #if hasFeature(Embedded)
      (self + offset).assumingMemoryBound(to: UInt32.self).pointee = value.littleEndian
    #else
      storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
    #endif
  }

  /// Stores a 64-bit number at `offset`.
  @inline(__always)
  public func store64(_ value: UInt64, at offset: Int) {
    store32(value.low, at: offset)
    store32(value.high, at: offset + 4)
  }

  /// Copies `count` bytes to `offset`.
  @inline(__always)
  public func store(_ bytes: UnsafeRawPointer, count: Int, at offset: Int) {
    (self + offset).copyMemory(from: bytes, byteCount: count)
  }

  /// Stores zeros over `count` bytes from `offset`; both are multiples of 4.
  public func clear(_ count: Int, at offset: Int = 0) {
    var at = offset
    while at < offset + count {
      store32(0, at: at)
      at += 4
    }
  }
}

/// Whether two runs of `count` bytes are the same.
public func areSame(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, count: Int) -> Bool {
  for i in 0..<count where a.load8(at: i) != b.load8(at: i) { return false }
  return true
}

extension UInt64 {
  /// The number of two halves.
  ///
  /// The library's own conversions are generic, and their code for 32-bit targets refers to array
  /// storage, which firmware built with `-no-allocations` may not.
  @inline(__always)
  public init(low: UInt32, high: UInt32) {
    self = unsafeBitCast((low.littleEndian, high.littleEndian), to: UInt64.self).littleEndian
  }

  /// A 32-bit number, widened.
  @inline(__always)
  public init(widening value: UInt32) { self.init(low: value, high: 0) }

  /// The lower 32 bits.
  @inline(__always)
  public var low: UInt32 { UInt32(truncatingIfNeeded: self) }

  /// The upper 32 bits.
  @inline(__always)
  public var high: UInt32 { UInt32(truncatingIfNeeded: self &>> (32 as UInt64)) }
}
