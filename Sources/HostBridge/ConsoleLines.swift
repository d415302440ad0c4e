// Console text in whole lines, so that two boards' words, or words and frames, never mix.

/// Gathers console bytes into lines. A line without its end is let go after a while, so that a
/// prompt is seen.
///
/// Times are on the caller's time line.
public struct ConsoleLines: Sendable {
  /// How long an unfinished line is kept back.
  public static let patience: Duration = .milliseconds(100)
  /// A longer line is let go in pieces.
  public static let longest = 4_096

  private var held: [UInt8] = []

  /// When the first byte came of the text that was returned last.
  public private(set) var began: Duration = .zero

  /// When ``flush()`` is due, or `nil` when nothing is held.
  public private(set) var deadline: Duration?

  public init() {}

  /// Takes bytes and returns the text to show now: whole lines, their ends included.
  public mutating func receive(_ bytes: some Sequence<UInt8>, now: Duration) -> [UInt8] {
    began = heldSince ?? now
    held.append(contentsOf: bytes)
    let end = held.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let whole = held.count - end >= Self.longest ? held.count : end
    let text = Array(held[..<whole])
    held.removeSubrange(..<whole)
    deadline =
      held.isEmpty ? nil : deadline.flatMap { text.isEmpty ? $0 : nil } ?? now + Self.patience
    return text
  }

  /// Lets an unfinished line go when its time has come, at the latest at once when `now` is `nil`.
  public mutating func flush(now: Duration? = nil) -> [UInt8] {
    if let now, let deadline, now < deadline { return [] }
    began = heldSince ?? began
    defer {
      held = []
      deadline = nil
    }
    return held
  }

  private var heldSince: Duration? { deadline.map { $0 - Self.patience } }
}
