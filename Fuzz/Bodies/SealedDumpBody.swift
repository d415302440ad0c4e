// Fuzzes the reader of sealed dumps, as far as it goes without a key.

import DumpFormat
import DumpOpening

/// Takes `input` apart as it is, and again with every checksum made right and marked as sealed, so that
/// the envelope is reached.
public func fuzzSealedDump(_ input: UnsafeRawBufferPointer) {
  let bytes = Array(input.prefix(DumpPrologue.largestDump + 1))
  takeApart(bytes)
  var sealed = bytes
  if sealed.count > PrologueLayout.encoding {
    sealed[PrologueLayout.encoding] = DumpEncoding.sealed.rawValue
  }
  takeApart(withRightChecksums(sealed))
}

private func takeApart(_ bytes: [UInt8]) {
  guard let dump = try? SealedDump(bytes) else { return }
  require(dump.bytes == bytes, "Bytes were changed")
  require(
    dump.salt.count == SealedLayout.saltSize && dump.encapsulatedKey.count == SealedLayout.encSize,
    "A field of the envelope has another size")
  let first = DumpPrologue.size + SealedLayout.envelope
  var end = first
  for (index, chunk) in dump.chunks.enumerated() {
    require(chunk.lowerBound == end && !chunk.isEmpty, "Chunks do not follow each other")
    end = chunk.upperBound
    let isLast = index == dump.chunks.count - 1
    // The envelope and the first chunk share what every other chunk has for itself.
    let border = DumpPrologue.size + (index + 1) * SealedLayout.chunk
    require(isLast ? end <= border : end == border, "A chunk ends where none does")
  }
  require(end == bytes.count, "Bytes behind the last chunk")
  if let commit = try? dump.verifiedCommit() {
    require(DumpPrologue.size + Int(commit.bodyLength) == bytes.count, "The length is another")
  }
}
