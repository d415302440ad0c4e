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
