// Conversations with the stub, packet by packet, as gdb's remote protocol has them.

import DumpFormat
import MartletTestKit
import Testing

@testable import DumpAnalysis
@testable import GDBSession

@Suite struct GDBRemoteStubTests {
  private static func stub(_ pair: GoldenPair = .divisionByZero) throws -> GDBRemoteStub {
    GDBRemoteStub(dump: try pair.dump(), elf: try pair.elf())
  }

  /// What the stub answers to a command, acknowledgement and frame taken off.
  private static func ask(_ command: String, _ stub: inout GDBRemoteStub) -> String {
    let answer = stub.receive(RemotePacketReader.framed(command.utf8))
    var reader = RemotePacketReader(longest: 1 << 16)
    for byte in answer {
      if case .packet(let content) = reader.feed(byte) {
        return String(decoding: content, as: UTF8.self)
      }
    }
    return "(nothing)"
  }

  @Test func `gdb's greeting is answered byte for byte`() throws {
    var stub = try Self.stub()
    func say(_ text: String) -> String { String(decoding: stub.receive(text.utf8), as: UTF8.self) }
    #expect(
      say("+$qSupported:multiprocess+;swbreak+#1b")
        == "+$PacketSize=1000;QStartNoAckMode+;qXfer:features:read+#e2")
    #expect(say("+$vMustReplyEmpty#3a") == "+$#00")
    #expect(say("+$QStartNoAckMode#b0") == "+$OK#9a")
    #expect(say("+$Hg0#df") == "$OK#9a")
    #expect(say("$?#3f") == "$T08thread:1;#da")
    #expect(say("$m42,2#31") == "$92fb#33")
    #expect(say("$D#44") == "$OK#9a")
    #expect(stub.isFinished)
    #expect(say("$?#3f") == "")
  }

  @Test func `all registers come in the order of the target description`() throws {
    var stub = try Self.stub()
    let zeros = String(repeating: "00000000", count: 10)
    #expect(
      Self.ask("g", &stub)
        == "a401000000000000a4010000" + zeros + "e8ff0020" + "59000000" + "42000000" + "00000041"
        + "e8ff0020" + "00800020")
    #expect(Self.ask("pf", &stub) == "42000000")
    #expect(Self.ask("p12", &stub) == "00800020")
    #expect(Self.ask("p13", &stub) == "E22")
    #expect(Self.ask("pzz", &stub) == "E22")
  }

  @Test func `registers that are not known are not zero`() throws {
    var builder = DumpBuilder.blank
    var core = CoreWords()
    core.flags = 0
    builder.add(.core, words: core.words)
    builder.addEnd()
    var stub = GDBRemoteStub(dump: try DecodedDump(bytes: builder.bytes))
    #expect(Self.ask("pf", &stub) == "xxxxxxxx")
    #expect(Self.ask("p4", &stub) == "00000000")
  }

  @Test func `floating point is offered when it was live`() throws {
    var stub = GDBRemoteStub(dump: try DecodedDump(bytes: DumpBuilder.everything.bytes))
    let description = Self.ask("qXfer:features:read:target.xml:0,ffb", &stub)
    #expect(description.contains("org.gnu.gdb.arm.vfp"))
    #expect(description.contains(#"<reg name="d15""#))
    #expect(Self.ask("p13", &stub) == "0000803f0100803f")
    #expect(Self.ask("p23", &stub) == "10000000")
  }

  @Test func `the target description comes whole in pieces`() throws {
    var stub = try Self.stub()
    var text = ""
    while true {
      let offset = String(text.utf8.count, radix: 16)
      let piece = Self.ask("qXfer:features:read:target.xml:\(offset),40", &stub)
      #expect(piece.utf8.count <= 0x41)
      text += piece.dropFirst()
      guard piece.hasPrefix("m") else { break }
    }
    #expect(text.hasPrefix("<?xml version="))
    #expect(text.hasSuffix("</target>"))
    #expect(text.contains("org.gnu.gdb.arm.m-profile"))
    #expect(text.contains("org.gnu.gdb.arm.m-system"))
    #expect(!text.contains("org.gnu.gdb.arm.vfp"))
    #expect(Self.ask("qXfer:features:read:other.xml:0,40", &stub) == "E00")
  }

  @Test func `memory comes from the dump, then from the ELF file, else not at all`() throws {
    var stub = try Self.stub()
    #expect(Self.ask("m2000ffe8,8", &stub) == "00000000a4010000")
    #expect(Self.ask("m2000fffc,8", &stub) == "1f000000")
    #expect(Self.ask("m20000000,4", &stub) == "E14")
    #expect(Self.ask("mffffffff,ffffffff", &stub) == "E14")
    #expect(Self.ask("m0,0", &stub) == "")
    for nonsense in ["m", "m1", "m1,", "m,1", "m1,2,3", "m100000000,1", "m-1,1"] {
      #expect(Self.ask(nonsense, &stub) == "E22")
    }
  }

  @Test func `nothing can be written or run`() throws {
    var stub = try Self.stub()
    for command in [
      "G00", "P0=00000000", "M0,1:00", "X0,0:", "Z0,0,2", "z0,0,2", "c", "s", "C05", "S05",
      "vCont;c", "vRun;a", "R00",
    ] {
      #expect(Self.ask(command, &stub) == "E01", "\(command)")
    }
    #expect(Self.ask("vCont?", &stub) == "")
  }

  @Test func `a damaged packet is asked for again, and an answer is given again`() throws {
    var stub = try Self.stub()
    func say(_ text: String) -> String { String(decoding: stub.receive(text.utf8), as: UTF8.self) }
    #expect(say("$?#00") == "-")
    #expect(say("$?#zz") == "-")
    #expect(say("$?#3f") == "+$T08thread:1;#da")
    #expect(say("-") == "$T08thread:1;#da")
    let long = String(repeating: "a", count: GDBRemoteStub.longestPacket + 1)
    #expect(stub.receive(RemotePacketReader.framed(long.utf8)) == Array("-".utf8))
    #expect(say("noise$?$?#3f") == "+$T08thread:1;#da")
  }

  @Test func `a conversation may arrive in any portions`() throws {
    let conversation = Array("+$qAttached#8f+$?#3f+$m42,2#31".utf8)
    var whole = try Self.stub()
    let expected = whole.receive(conversation)
    var single = try Self.stub()
    #expect(conversation.flatMap { single.receive([$0]) } == expected)
  }

  @Test func `bytes with a meaning in the protocol are escaped`() {
    #expect(RemotePacketReader.framed("#$}*".utf8) == Array("$}\u{3}}\u{4}}]}\n#62".utf8))
  }

  @Test func `frames of gdb's machine interface are read, and nonsense is not`() {
    let line =
      #"^done,stack=[frame={level="0",addr="0x00000042",func="a \"b\" \303\251",file="x.c",line="7"}]"#
    let frames = MIParser.results(of: line[...])?["stack"]?.items.compactMap(Backtrace.frame)
    #expect(
      frames == [
        Backtrace.Frame(index: 0, address: 0x42, function: "a \"b\" é", file: "x.c", line: 7)
      ])
    for nonsense in [
      "", "^error,msg=\"x\"", "^done,stack", "^done,stack=", "^done,stack=[", "^done,a=\"\\",
      "^done,a=\"x", "^done,a={b}", "^done,a=" + String(repeating: "[", count: 100),
    ] {
      #expect(MIParser.results(of: nonsense[...]) == nil)
    }
  }
}
