// A sealed dump taken apart as far as that goes without a key.

import DumpFormat

/// A dump whose body is sealed (docs/formats/dump.md, Body, encoding 1), or the beginning of one.
///
/// Any bytes are safe to pass. Nothing here is known to be true before the dump was opened.
public struct SealedDump: Sendable {
  /// The bytes as they came.
  public let bytes: [UInt8]
  public let header: DumpHeader
  /// Names the service's key that the dump is sealed to (docs/formats/lease.md, The sealing key id).
  public let sealingKeyID: UInt32
  /// Random, of this dump alone; 16 bytes.
  public let salt: [UInt8]
  /// The ephemeral public key of the device's key exchange; 32 bytes.
  public let encapsulatedKey: [UInt8]
  /// Where the chunks lie in ``bytes``, their tags included. The last may be shorter than a tag, when
  /// the dump was cut there.
  public let chunks: [Range<Int>]

  /// Reads header and envelope and finds the chunks.
  /// - Parameter bytes: a whole dump, or one that was cut behind its envelope.
  /// - Throws: ``DumpOpeningError/notADump(_:)``, ``DumpOpeningError/notSealed`` or
  ///   ``DumpOpeningError/envelopeDamaged``.
  public init(_ bytes: [UInt8]) throws(DumpOpeningError) {
    let header = try readHeader(bytes)
    guard header.encoding == .sealed else { throw .notSealed }
    let body = DumpPrologue.size
    guard bytes.count >= body else { throw .notADump(.tooShort) }
    let firstChunk = body + SealedLayout.envelope
    guard bytes.count >= firstChunk, bytes.count <= DumpPrologue.largestDump,
      bytes.withUnsafeBytes({ $0.loadUnaligned(fromByteOffset: body, as: UInt32.self) })
        == SealedLayout.magic.littleEndian
    else { throw .envelopeDamaged }
    func field(_ offset: Int, _ size: Int) -> [UInt8] {
      Array(bytes[body + offset..<body + offset + size])
    }
    self.bytes = bytes
    self.header = header
    sealingKeyID = field(SealedLayout.sealingKeyID, 4).reversed().reduce(0) {
      $0 << 8 | UInt32($1)
    }
    salt = field(SealedLayout.salt, SealedLayout.saltSize)
    encapsulatedKey = field(
      SealedLayout.enc, SealedLayout.encSize)
    var chunks: [Range<Int>] = []
    var start = firstChunk
    while start < bytes.count {
      let end = min(bytes.count, start + SealedLayout.size(ofChunk: chunks.count))
      chunks.append(start..<end)
      start = end
    }
    self.chunks = chunks
  }

  /// Checks length and checksums of the whole dump; says nothing about who sealed it.
  /// - Throws: ``DumpOpeningError/notADump(_:)``.
  public func verifiedCommit() throws(DumpOpeningError) -> DumpCommit {
    let outcome: Result<DumpCommit, DumpFormatError> = bytes.withUnsafeBytes { raw in
      do throws(DumpFormatError) {
        return .success(try DumpPrologue(verifyingDump: raw).commit)
      } catch {
        return .failure(error)
      }
    }
    switch outcome {
    case .success(let commit): return commit
    case .failure(let error): throw .notADump(error)
    }
  }
}

private func readHeader(_ bytes: [UInt8]) throws(DumpOpeningError) -> DumpHeader {
  let outcome: Result<DumpHeader, DumpFormatError> = bytes.withUnsafeBytes { raw in
    do throws(DumpFormatError) {
      return .success(try DumpHeader(decoding: raw))
    } catch {
      return .failure(error)
    }
  }
  switch outcome {
  case .success(let header): return header
  case .failure(let error): throw .notADump(error)
  }
}

extension SealedLayout {
  /// Bytes of the chunk at `index` with its tag, when it is full.
  static func size(ofChunk index: Int) -> Int { index == 0 ? chunk - envelope : chunk }
}
