// What a forger does to a dump who knows its format and has no key.

import DumpFormat

/// The same dump with every checksum made right again.
///
/// - Parameters:
///   - dump: prologue included.
///   - lengthToo: the body's length as well, for dumps that were cut or put together anew.
public func withRightChecksums(_ dump: [UInt8], lengthToo: Bool = true) -> [UInt8] {
  var dump = dump
  dump.withUnsafeMutableBytes { raw in
    guard let base = raw.baseAddress else { return }
    func checksum(_ range: Range<Int>) -> UInt32 {
      CRC32C.checksum(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[range]))
    }
    base.store32(checksum(0..<92), at: 92)
    if lengthToo { base.store32(UInt32(raw.count - DumpPrologue.size), at: 96) }
    base.store32(checksum(DumpPrologue.size..<raw.count), at: 100)
    base.store32(checksum(96..<124), at: 124)
  }
  return dump
}
