// Retry-After in each of its forms, and whatever else stands there.

import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct RetryAfterTests {
  private static let now = "Sun, 06 Nov 1994 08:49:37 GMT"

  @Test(arguments: [
    ("0", 0), ("7", 7), (" 120 ", 120), ("86400", 86_400), ("86401", 86_400),
    ("99999999999999999999999", 86_400),
    ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
    ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
    ("Sun Nov  6 08:50:37 1994", 60),
    ("Mon, 07 Nov 1994 08:49:36 GMT", 86_399),
    ("Sun, 06 Nov 2044 08:49:37 GMT", 86_400),
    // Past already.
    ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
  ])
  func `seconds and dates are understood`(value: String, seconds: Int) {
    #expect(RetryAfter.read(value, date: Self.now) == .seconds(seconds))
  }

  @Test(arguments: [
    "", "-1", "1.5", "soon", "Sun, 06 Nov 1994", "Sun, 32 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "06 11 94 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 CET",
  ])
  func `what is neither says nothing`(value: String) {
    #expect(RetryAfter.read(value, date: Self.now) == nil)
  }

  @Test(arguments: [nil, "", "today"])
  func `a date without the answer's own date says nothing`(date: String?) {
    #expect(RetryAfter.read("Sun, 06 Nov 1994 08:50:37 GMT", date: date) == nil)
  }

  @Test func `noise is read without harm`() {
    var generator = SeededGenerator.fromEnvironment()
    let letters = Array("0123456789 :,-+.SunNovGMT\u{e9}\r\n")
    for _ in 0..<20_000 {
      let length = Int.random(in: 0...40, using: &generator)
      let text = String((0..<length).map { _ in letters.randomElement(using: &generator) ?? " " })
      let duration = RetryAfter.read(text, date: Self.now)
      #expect(duration.map { .zero...RetryAfter.longest ~= $0 } ?? true)
    }
  }
}
