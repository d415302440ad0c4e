// Where a call chain ends, whatever gdb makes up behind it.

import Testing

@testable import GDBSession

private func frame(_ index: Int, _ function: String?, _ address: UInt32) -> Backtrace.Frame {
  Backtrace.Frame(index: index, address: address, function: function, line: 7)
}

@Test(arguments: ["main", "static DemoApp.DemoApp.main() -> ()"])
func `a chain ends at main even when main is its own caller`(main: String) {
  var notes: [String] = []
  let chain = [frame(0, "crash", 16)] + (1..<64).map { frame($0, main, 32) }
  let ended = Backtrace.ended(chain, notes: &notes)
  #expect(ended.map(\.function) == ["crash", main])
  #expect(notes.isEmpty)
}

@Test func `equal frames at the end become one and a note says how many`() {
  var notes: [String] = []
  let chain = [frame(0, "crash", 16), frame(1, "a", 24)] + (2..<64).map { frame($0, "loop", 32) }
  let ended = Backtrace.ended(chain, notes: &notes)
  #expect(ended.map(\.function) == ["crash", "a", "loop"])
  #expect(notes.count == 1)
  #expect(notes.first?.contains("62 times") == true)
}

@Test func `a recursion with callers behind it stays whole`() {
  var notes: [String] = []
  let chain = (0..<8).map { frame($0, "recurse", 32) } + [frame(8, "caller", 64)]
  #expect(Backtrace.ended(chain, notes: &notes) == chain)
  #expect(notes.isEmpty)
}
