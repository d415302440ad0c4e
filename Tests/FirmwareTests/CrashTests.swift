// Every way of crashing on the emulated board, each dump held against what really happened.

import DumpAnalysis
import GDBSession
import Testing

extension BoardTests {
  @Suite struct CrashTests {
    @Test(arguments: CrashCase.all)
    func `a dump tells what really happened`(_ crash: CrashCase) async throws {
      let elf = try Firmware.image()
      let run = try await CrashRun.of(crash.command)
      var check = try CrashCheck(crash, run, elf)
      check.checkAll()
      CaptureShare.note(crash, isExact: check.problems.isEmpty)
      #expect(check.problems == [])
      guard !crash.backtrace.isEmpty else { return }
      let trace = try await Backtrace.run(dump: check.dump, elf: elf)
      expectNames(crash.backtrace, in: trace)
      if let trap = crash.swiftTrap { #expect(trace.swiftTrap == trap) }
    }

    @Test func `a lost frame is not filled with what an earlier crash left`() async throws {
      let bytes = try await Firmware.withBoard { board in
        let (link, first) = try board.startWithConsent()
        var bytes: [[UInt8]] = []
        var last = first
        for command in ["crash undefined 33330000", "crash sp unmapped 45670000"] {
          try link.wait(forText: "ready")
          link.forget()
          link.type(command)
          last = try link.hello { $0.bootCount > last.bootCount }
          for offer in try link.offers() {
            bytes.append(try link.open(link.fetch(offer)))
            _ = try link.receipt(offer.key, .stored)
          }
          _ = try link.go()
        }
        return bytes
      }
      #expect(bytes.count == 2)
      let words = CrashCheck.frameWords(of: try #require(bytes.last))
      #expect(words.allSatisfy { $0 == 0 })
      #expect(CrashCheck.frameWords(of: bytes[0])[0] == 0x3333_0000, "the words are the right ones")
    }
  }
}

/// Expects names in this order among a backtrace's frames.
func expectNames(
  _ names: [String], in trace: Backtrace, sourceLocation: SourceLocation = #_sourceLocation
) {
  var rest = names[...]
  for frame in trace.frames {
    guard let name = rest.first, frame.function?.contains(name) ?? false else { continue }
    rest.removeFirst()
  }
  #expect(rest.isEmpty, "missing in\n\(trace.text)", sourceLocation: sourceLocation)
}
