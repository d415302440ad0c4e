// The dump that these tests seal and send.

import DumpFormat
import MartletTestKit

/// A dump with a core block, a memory block and an end block; its fingerprint does not depend on them.
///
/// - Parameters:
///   - memory: what the memory block holds.
///   - hasBlocks: whether there are blocks at all; without them `memory` is the whole body.
///   - consentEpoch: sealing puts another one in its place.
func sampleDump(
  key: DumpKey = DumpKey(bootCount: 1, sequence: 1), memory: [UInt8] = Array("stack".utf8),
  hasBlocks: Bool = true, consentEpoch: UInt32 = 1, fingerprint: UInt64 = 0x0102_0304_0506_0708
) -> [UInt8] {
  var builder = DumpBuilder(key: key)
  builder.header.fingerprint = Fingerprint(rawValue: fingerprint)
  builder.header.consentEpoch = consentEpoch
  builder.header.uptime = 1_500_000
  builder.header.buildID = BuildID(1...20)
  builder.header.setVersion("1.2.3")
  guard hasBlocks else {
    builder.body = memory
    return builder.build(withEnd: false)
  }
  var core = [UInt32](repeating: 0, count: 26)
  core[13] = 0x8_0000
  core[14] = 0x567
  core[15] = 0x1234
  core[24] = 1
  builder.add(.core, words: core)
  builder.addMemory(at: 0x8_0000, memory)
  return builder.build()
}
