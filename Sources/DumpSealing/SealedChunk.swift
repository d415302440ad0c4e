// The sealing of a dump's body, chunk by chunk: all the cryptography that the fault path runs.

/// A chunk of a sealed body (docs/formats/dump.md, Body, encoding 1).
public enum SealedChunk {
  /// Bytes that a chunk takes beside its content.
  public static let tagSize = ChaChaPoly.tagSize
  /// Flag: no chunk follows.
  public static let last: UInt8 = 1
  /// Flag, beside `last`: the body ends before the capture did.
  public static let truncated: UInt8 = 2

  /// Seals a chunk in place with ChaCha20-Poly1305 (RFC 8439) and stores the tag behind it.
  ///
  /// The nonce is the index, 4 bytes, little endian, seven zeros and the flags; no two chunks of a key
  /// may have the same index. Contexts: boot, fault. Takes some 40 instructions a byte on a Cortex-M4,
  /// and leaves nothing of the key on the stack.
  ///
  /// - Parameters:
  ///   - bytes: `count` bytes, and room for `tagSize` more.
  ///   - key: the dump's key, 32 bytes.
  ///   - associated: what else the tag vouches for: of chunk 0 the dump's header, of others nothing.
  public static func seal(
    _ bytes: UnsafeMutableRawPointer, count: Int, key: UnsafeRawPointer, index: UInt32,
    flags: UInt8, associated: UnsafeRawBufferPointer
  ) {
    var nonce = (index.littleEndian, UInt32(0), UInt32(flags).bigEndian)
    ChaChaPoly.seal(
      bytes, count: count, key: key, nonce: &nonce, associated: associated, tag: bytes + count)
  }
}
