// Console text in a terminal: it is shown, and does nothing else.

import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct TerminalTextTests {
  private func show(_ pieces: [UInt8]...) -> String {
    var text = TerminalText()
    return pieces.map { text.receive($0) }.joined()
  }

  private func show(_ words: String) -> String { show(Array(words.utf8)) }

  @Test func `words, tabs and line ends pass as they are`() {
    #expect(
      show("ready\ttype help\r\n> Grüße, 温度 \u{1F600}\n")
        == "ready\ttype help\n> Grüße, 温度 \u{1F600}\n")
  }

  @Test func `a board cannot move the cursor or retitle the window`() {
    #expect(show("\u{1B}[2J\u{1B}]0;mine\u{07}") == "␛[2J␛]0;mine␇")
    // CSI as one character of the C1 set, in UTF-8 and as a bare byte.
    #expect(show("\u{9B}31m") == "<U+9B>31m")
    #expect(show([0x9B, 0x33]) == "\u{FFFD}3")
    #expect(show("a\u{08}b\u{7F}c\u{00}\n") == "a␈b␡c␀\n")
    #expect(show("over\rwritten\n") == "over␍written\n")
    #expect(show("\u{202E}txt.exe") == "<U+202E>txt.exe")
  }

  @Test func `a character that comes in two pieces is one`() {
    #expect(show([0xC3], [0xBC, 0x0A]) == "ü\n")
    #expect(show([0x61, 0x0D], [0x0A]) == "a\n")
    #expect(show([0xF0, 0x9F], [0x98], [0x80]) == "\u{1F600}")
    #expect(show([0xC3], [0x41]) == "\u{FFFD}A")
  }

  @Test func `random bytes never make a control character`() {
    var generator = SeededGenerator.fromEnvironment()
    let seed = generator.seed
    var text = TerminalText()
    for _ in 0..<2_000 {
      let bytes = generator.bytes(Int.random(in: 0...60, using: &generator))
      let shown = text.receive(bytes)
      let isHarmless = shown.unicodeScalars.allSatisfy {
        $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control
      }
      #expect(isHarmless, "seed \(seed)")
    }
  }

  @Test func `a field of a table is one line`() {
    #expect(TerminalText.field("1.0\u{1B}[31m\nnext") == "1.0␛[31m␊next")
  }
}
