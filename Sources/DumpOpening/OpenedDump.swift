// Opens sealed dumps.

import Crypto
import DumpFormat
import Foundation

/// A dump whose every chunk its device sealed.
public struct OpenedDump: Equatable, Sendable {
  /// The dump in the clear (encoding 0): header, commit, blocks.
  public let bytes: [UInt8]
  /// Whether the body is there to its end.
  public let isComplete: Bool

  public init(bytes: [UInt8], isComplete: Bool) {
    self.bytes = bytes
    self.isComplete = isComplete
  }
}

extension SealedDump {
  /// Opens a whole dump.
  /// - Parameters:
  ///   - sealingKey: the one that ``sealingKeyID`` names.
  ///   - device: the id of the device, 64 bytes.
  ///   - devicePublicKey: registered for that device.
  /// - Throws: what does not hold. A dump that ends early, or whose lengths, checksums or truncated bit
  ///   are others than those that opened, is refused as well.
  public func open(
    with sealingKey: Curve25519.KeyAgreement.PrivateKey, device: [UInt8],
    devicePublicKey: Curve25519.KeyAgreement.PublicKey
  ) throws(DumpOpeningError) -> OpenedDump {
    let commit = try verifiedCommit()
    return try open(
      DumpExchange(
        of: self, sealingKey: sealingKey, device: device, devicePublicKey: devicePublicKey),
      verified: commit)
  }

  /// Opens a whole dump of an exchange that was made before.
  /// - Parameter commit: of ``verifiedCommit()``.
  /// - Throws: what does not hold; ``DumpOpeningError/unusableKey`` for a dump of another exchange.
  public func open(_ exchange: DumpExchange, verified commit: DumpCommit)
    throws(DumpOpeningError) -> OpenedDump
  {
    let opened = try openChunks(try exchange.key(of: self))
    guard let isTruncated = opened.end, isTruncated == commit.isTruncated else {
      throw .incomplete
    }
    return OpenedDump(
      bytes: dump(blocks: opened.blocks, isTruncated: isTruncated), isComplete: true)
  }

  /// Opens a dump that was cut, up to where it ends. Its lengths and checksums are not looked at.
  /// - Parameters: those of ``open(with:device:devicePublicKey:)``.
  /// - Returns: a dump that says that it is truncated, unless its end is there.
  /// - Throws: what does not hold, and ``DumpOpeningError/incomplete`` when not even the first chunk is
  ///   there.
  public func openWhatIsThere(
    with sealingKey: Curve25519.KeyAgreement.PrivateKey, device: [UInt8],
    devicePublicKey: Curve25519.KeyAgreement.PublicKey
  ) throws(DumpOpeningError) -> OpenedDump {
    let key = try DumpExchange(
      of: self, sealingKey: sealingKey, device: device, devicePublicKey: devicePublicKey
    ).key(of: self)
    let opened: OpenedChunks
    do throws(DumpOpeningError) {
      opened = try openChunks(key)
    } catch .chunkNotAuthentic(let index) where index > 0 && index == chunks.count - 1 {
      // The chunk that the cut went through.
      opened = try openChunks(key, count: index)
    }
    return OpenedDump(
      bytes: dump(blocks: opened.blocks, isTruncated: opened.end ?? true),
      isComplete: opened.end != nil)
  }

  private struct OpenedChunks {
    var blocks: [UInt8] = []
    /// Whether the device truncated the body, as the last chunk says; `nil` when that is missing.
    var end: Bool?
  }

  /// Opens the first `count` chunks, all of them unless told otherwise.
  private func openChunks(_ key: SymmetricKey, count: Int? = nil) throws(DumpOpeningError)
    -> OpenedChunks
  {
    var opened = OpenedChunks()
    opened.blocks.reserveCapacity(bytes.count)
    // Nonce, ciphertext and tag in one piece is what a box is made of; the memory serves all chunks.
    var combined = Data(capacity: SealingContext.nonceSize + SealedLayout.chunk)
    let chunks = chunks.prefix(count ?? chunks.count)
    guard !chunks.isEmpty else { throw .incomplete }
    for (index, range) in chunks.enumerated() {
      // What stands at the end need not be the end.
      let ends: [Bool?] = index == chunks.count - 1 ? [false, true, nil] : [nil]
      var isOpen = false
      for end in ends {
        guard let blocks = open(chunk: index, range, end: end, key, &combined) else { continue }
        // As bytes: element by element, `Data` takes longer than the cipher.
        blocks.withUnsafeBytes { opened.blocks.append(contentsOf: $0) }
        opened.end = end
        isOpen = true
        break
      }
      guard isOpen else { throw .chunkNotAuthentic(index) }
    }
    return opened
  }

  /// One chunk; `nil` when the device did not seal it at this place.
  /// - Parameter end: for the last chunk, whether the body is truncated; `nil` for any other, which is
  ///   always full.
  private func open(
    chunk index: Int, _ range: Range<Int>, end: Bool?, _ key: SymmetricKey, _ combined: inout Data
  ) -> Data? {
    guard range.count >= SealedLayout.tag,
      end != nil || range.count == SealedLayout.size(ofChunk: index)
    else { return nil }
    combined.removeAll(keepingCapacity: true)
    SealingContext.appendNonce(
      to: &combined, chunk: index, isLast: end != nil, isTruncated: end ?? false)
    bytes[range].withUnsafeBytes { combined.append(contentsOf: $0) }
    guard let box = try? ChaChaPoly.SealedBox(combined: combined) else { return nil }
    let header = index == 0 ? bytes[..<DumpHeader.size] : []
    return try? ChaChaPoly.open(box, using: key, authenticating: header)
  }

  /// The dump in the clear.
  private func dump(blocks: [UInt8], isTruncated: Bool) -> [UInt8] {
    var header = header
    header.encoding = .blocks
    let commit = DumpCommit(
      bodyLength: UInt32(blocks.count), bodyCRC: blocks.withUnsafeBytes { CRC32C.checksum($0) },
      isTruncated: isTruncated)
    return DumpPrologue(header: header, commit: commit).bytes + blocks
  }
}

extension DumpPrologue {
  /// The 128 bytes.
  var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    bytes.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress { encode(to: base) }
    }
    return bytes
  }
}
