// Fuzzes the dump decoder and everything that prints what it found.

import DumpAnalysis
import DumpFormat

/// Decodes `input` as it is, and again with every checksum made right, so that the block decoder is
/// reached; a decoded dump is reported in full.
public func fuzzDumpDecoder(_ input: UnsafeRawBufferPointer) {
  let bytes = Array(input.prefix(DumpPrologue.largestDump))
  decodeAndReport(bytes)
  decodeAndReport(withRightChecksums(bytes))
}

private func decodeAndReport(_ bytes: [UInt8]) {
  guard let dump = try? DecodedDump(bytes: bytes) else { return }
  require(dump.signature.hasPrefix("AppCrash (kind="), "A signature lost its form")
  let report = DumpReport(dump: dump)
  require(!report.text.isEmpty, "A report is empty")
  let kept = dump.memory.reduce(0) { $0 + $1.bytes.count }
  require(kept <= bytes.count, "A dump decoded to more memory than it has bytes")
}

/// The same bytes with magic, version, commit mark, body length and checksums that hold.
func withRightChecksums(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  let missing = DumpPrologue.size - bytes.count
  if missing > 0 { bytes += Array(repeating: 0, count: missing) }
  let bodyLength = UInt32(bytes.count - DumpPrologue.size)
  bytes.withUnsafeMutableBytes { buffer in
    guard let base = buffer.baseAddress else { return }
    func checksum(_ range: Range<Int>) -> UInt32 {
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[range]))
    }
    base.store32(0x504D_444D, at: 0)
    base.store8(dumpFormatVersion, at: 4)
    base.store32(checksum(0..<92), at: 92)
    base.store32(bodyLength, at: 96)
    base.store32(checksum(DumpPrologue.size..<buffer.count), at: 100)
    base.store32(0x454E_4F44, at: 120)
    base.store32(checksum(96..<124), at: 124)
  }
  return bytes
}
