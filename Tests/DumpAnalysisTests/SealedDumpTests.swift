// A dump as devices write it is not read without its key.

import DumpAnalysis
import DumpFormat
import MartletTestKit
import Testing

@Suite struct SealedDumpTests {
  @Test func `a sealed dump is named, and where to read it`() {
    var builder = DumpBuilder.sample()
    builder.header.encoding = .sealed
    let dump = builder.build()
    #expect {
      _ = try DecodedDump(bytes: dump)
    } throws: {
      let error = $0 as? DumpAnalysisError
      return error?.code == .sealedDump && error?.description.contains("the service alone") == true
    }
  }
}
