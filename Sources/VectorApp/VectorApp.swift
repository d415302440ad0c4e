// The firmware that runs test vectors of the sealing on the board: it says what fails, then how many
// passed.

import Board
import BoardHAL
import SealingVectors

/// The vectors that the host wrote into flash before it started the board.
private enum Image {
  /// Where they lie: behind the ring.
  static let offset: UInt32 = 0x20_0000
  /// "VECT", little endian; then the number of records, then each with its length in 4 bytes before.
  static let magic: UInt32 = 0x5443_4556
}

/// Entered by the board's start-up code.
@main
struct VectorApp {
  static func main() {
    run()
    while true {}
  }

  private static func run() {
    var (passed, failed): (UInt32, UInt32) = (0, 0)
    guard word(Image.offset) == Image.magic else { return say("vectors: none in flash\r\n") }
    var at = Image.offset + 8
    for _ in 0..<word(Image.offset + 4) {
      let length = word(at)
      if check(at + 4, length) { passed += 1 } else { failed += 1 }
      at += 4 + length
    }
    say("vectors: ")
    say(passed)
    say(" passed, ")
    say(failed)
    say(" failed\r\n")
  }

  /// Runs one record; one that does not hold is named on the line.
  private static func check(_ offset: UInt32, _ length: UInt32) -> Bool {
    var storage = InlineArray<2048, UInt8>(repeating: 0)
    return withUnsafeMutableBytes(of: &storage) { storage in
      guard length <= VectorRecord.largest,
        halFlashRead(offset, storage.baseAddress, length) == .ok,
        let record = VectorRecord(UnsafeRawBufferPointer(rebasing: storage[..<Int(length)]))
      else {
        say("vectors: no record\r\n")
        return false
      }
      if record.holds() { return true }
      say("vectors: not as it says: ")
      say(record.name)
      say("\r\n")
      return false
    }
  }

  private static func word(_ offset: UInt32) -> UInt32 {
    var value: UInt32 = 0
    _ = halFlashRead(offset, &value, 4)
    return value
  }

  // MARK: - The serial line

  private static func say(_ text: StaticString) {
    say(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func say(_ number: UInt32) {
    if number >= 10 { say(number / 10) }
    withUnsafeBytes(of: UInt8(truncatingIfNeeded: 48 + number % 10)) { say($0) }
  }

  private static func say(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
    var sent = 0
    while sent < bytes.count { sent += halSerialWrite(start + sent, bytes.count - sent) }
  }
}
