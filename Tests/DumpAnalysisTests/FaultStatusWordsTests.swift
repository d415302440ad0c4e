// Every bit of the fault status registers has words, and the headline names the cause.

import DumpFormat
import MartletTestKit
import Testing

@testable import DumpAnalysis

@Suite struct FaultStatusWordsTests {
  /// B3.2.15 of the ARMv7-M Architecture Reference Manual.
  static let cfsr: [(bit: UInt32, name: String)] = [
    (0, "IACCVIOL"), (1, "DACCVIOL"), (3, "MUNSTKERR"), (4, "MSTKERR"), (5, "MLSPERR"),
    (7, "MMARVALID"), (8, "IBUSERR"), (9, "PRECISERR"), (10, "IMPRECISERR"), (11, "UNSTKERR"),
    (12, "STKERR"), (13, "LSPERR"), (15, "BFARVALID"), (16, "UNDEFINSTR"), (17, "INVSTATE"),
    (18, "INVPC"), (19, "NOCP"), (24, "UNALIGNED"), (25, "DIVBYZERO"),
  ]

  @Test(arguments: cfsr)
  func `every bit of CFSR has its name and words`(bit: UInt32, name: String) {
    let words = FaultStatusWords(kind: .hardFault, status: FaultStatus(cfsr: 1 << bit))
    #expect(words.faults.map(\.bit) == [name])
    #expect(words.faults.allSatisfy { $0.register == "CFSR" && $0.words.count > 10 })
  }

  @Test func `bits that the manual does not define have none`() {
    let defined = Self.cfsr.reduce(UInt32(0)) { $0 | 1 << $1.bit }
    let words = FaultStatusWords(kind: .hardFault, status: FaultStatus(cfsr: ~defined))
    #expect(words.faults == [])
  }

  @Test(arguments: [(1, "VECTTBL"), (30, "FORCED"), (31, "DEBUGEVT")] as [(UInt32, String)])
  func `every bit of HFSR has its name and words`(bit: UInt32, name: String) {
    let words = FaultStatusWords(kind: .hardFault, status: FaultStatus(hfsr: 1 << bit))
    #expect(words.faults.map(\.bit) == [name])
  }

  @Test func `the headline names the cause and the address`() {
    func headline(_ kind: CrashKind, _ status: FaultStatus) -> String {
      FaultStatusWords(kind: kind, status: status).headline
    }
    #expect(headline(.usageFault, FaultStatus(cfsr: 1 << 25)) == "division by zero")
    #expect(headline(.usageFault, FaultStatus(cfsr: 1 << 24)) == "unaligned access")
    #expect(
      headline(.busFault, FaultStatus(cfsr: 1 << 15 | 1 << 9, bfar: 0x6000_0000))
        == "access to an address where nothing answers (address 0x60000000)")
    #expect(
      headline(.memManage, FaultStatus(cfsr: 1 << 7 | 1 << 1, mmfar: 4))
        == "forbidden memory access (address 0x00000004)")
    #expect(headline(.hardFault, FaultStatus(cfsr: 0, hfsr: 1 << 30)) == "hard fault")
    #expect(headline(.crash, FaultStatus()) == "crash was called")
  }

  @Test func `every kind has a headline`() {
    for kind in (UInt8.min...UInt8.max).compactMap(CrashKind.init(rawValue:)) {
      #expect(!FaultStatusWords(kind: kind, status: nil).headline.isEmpty)
    }
  }

  @Test func `the context tells mode, stack and a lost Thumb state`() throws {
    let words = FaultStatusWords(try DecodedDump(bytes: DumpBuilder.everything.bytes))
    #expect(words.context.map(\.bit) == ["Mode", "FType", "nPRIV", "SPSEL"])
    #expect(words.context.first?.words == "Ordinary code was running, on the main stack")
    let nullCall = FaultStatusWords(try GoldenPair.nullCall.dump())
    #expect(nullCall.context.contains { $0.bit == "T" })
  }
}
