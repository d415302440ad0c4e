// The crashes that the demo shows, and how each has to be recognised.

/// One way to crash.
struct Crash: Sendable {
  /// For the step's name.
  var name: String
  /// For people.
  var words: String
  /// What is typed on the board's console.
  var command: String
  /// The kind in docs/formats/dump.md.
  var kind: String
  /// The function that the backtrace must name.
  var function: String
  /// Words that must be in what `martlet dump show` prints, blanks apart.
  var evidence: [String]

  static let all = [
    Crash(
      name: "null", words: "a call through a null pointer, registers set beforehand",
      command: "crash null 5eed0000", kind: "usageFault", function: "demo_null_call",
      evidence: ["r4 0x5eed0004", "r11 0x5eed000b", "pc 0x00000000", "CFSR.INVSTATE"]),
    Crash(
      name: "bounds", words: "a Swift array index out of bounds", command: "crash bounds",
      kind: "swiftTrap", function: "Crashes.outOfBounds()",
      evidence: ["Swift runtime failure: Index out of bounds"]),
    Crash(
      name: "reason", words: "crash(reason), called on purpose", command: "crash reason",
      kind: "crash", function: "Crashes.crashWithReason()",
      evidence: ["the demo was asked to crash"]),
  ]
}
