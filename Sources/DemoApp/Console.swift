// The demo's console: words out, a line at a time in, no heap.

import BoardHAL
import BootAgent

/// Collects what is typed, and hands out a line at a time.
struct LineBuffer {
  private static let capacity = 256
  private var bytes = InlineArray<256, UInt8>(repeating: 0)
  /// Bytes waiting, the current line first.
  private var waiting = 0
  /// Bytes of the current line, its end not counted; `nil` while none is whole.
  private var count = 0

  /// Takes one byte; what does not fit is dropped.
  mutating func take(_ byte: UInt8) {
    guard waiting < Self.capacity else { return }
    bytes[waiting] = byte
    waiting += 1
  }

  /// Makes the next whole line the current one; answers whether there is one that holds something.
  mutating func next() -> Bool {
    for i in 0..<waiting where bytes[i] == 0x0A || bytes[i] == 0x0D {
      count = i
      if i > 0 { return true }
      drop()
      return next()
    }
    if waiting == Self.capacity { waiting = 0 }
    return false
  }

  /// Drops the current line.
  mutating func drop() {
    let used = count + 1
    for i in used..<max(used, waiting) { bytes[i - used] = bytes[i] }
    waiting = max(0, waiting - used)
    count = 0
  }

  /// Whether `word` stands somewhere in the line.
  func contains(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard count >= length else { return false }
    for start in 0...(count - length) where matches(word, at: start) { return true }
    return false
  }

  private func matches(_ word: StaticString, at start: Int) -> Bool {
    for i in 0..<word.utf8CodeUnitCount where word.utf8Start[i] != bytes[start + i] {
      return false
    }
    return true
  }

  /// Whether the line begins with `word` and a space or its end follows.
  func begins(with word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard count >= length else { return false }
    guard matches(word, at: 0) else { return false }
    return count == length || bytes[length] == 0x20
  }

  /// The last word as a hexadecimal number; `otherwise` when it is none.
  func lastNumber(otherwise: UInt32) -> UInt32 { number(fromEnd: 0) ?? otherwise }

  /// The word so many before the last as a hexadecimal number; `nil` when it is none.
  func number(fromEnd skipped: Int) -> UInt32? {
    var end = count
    for _ in 0..<skipped { end = max(wordStart(before: end) - 1, 0) }
    var value: UInt32 = 0
    let start = wordStart(before: end)
    for i in start..<end {
      guard let digit = Self.hexValue(bytes[i]) else { return nil }
      value = value << 4 | digit
    }
    return (1...8).contains(end - start) ? value : nil
  }

  private func wordStart(before end: Int) -> Int {
    var start = end
    while start > 0, bytes[start - 1] != 0x20 { start -= 1 }
    return start
  }

  private static func hexValue(_ byte: UInt8) -> UInt32? {
    switch byte {
    case 0x30...0x39: UInt32(byte - 0x30)
    case 0x41...0x46: UInt32(byte - 0x41 + 10)
    case 0x61...0x66: UInt32(byte - 0x61 + 10)
    default: nil
    }
  }
}

/// Writes to the line that frames share.
struct Console {
  let agent: BootAgent

  func write(_ text: StaticString) {
    agent.write(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  func writeLine(_ text: StaticString) {
    write(text)
    write("\r\n")
  }

  func write(decimal value: UInt32) {
    var digits = InlineArray<10, UInt8>(repeating: 0x30)
    var rest = value
    var at = 10
    repeat {
      at -= 1
      digits[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    withUnsafeBytes(of: &digits) { bytes in
      agent.write(
        UnsafeRawBufferPointer(rebasing: bytes[at...]).assumingMemoryBound(to: UInt8.self))
    }
  }
}

/// Console text for its own sake: numbered lines, one a turn of the main loop, so that frames get theirs.
struct Chatter {
  /// Lines of at least 64 bytes in a KiB.
  private static let linesPerKibibyte: UInt32 = 16
  private var number: UInt32 = 0
  private var count: UInt32 = 0

  init() {}

  init(kibibytes: UInt32) { count = kibibytes &* Self.linesPerKibibyte }

  /// Writes the next line, if there is one left.
  mutating func writeLine(_ console: Console) {
    guard number < count else { return }
    number += 1
    console.write("chatter ")
    console.write(decimal: number)
    console.write(" of ")
    console.write(decimal: count)
    console.writeLine(" the quick brown fox jumps over the lazy dog, twice")
  }
}
