// An answer as the load reads it: no more work than is needed, because the service runs on the same cores.

import Foundation

/// What came back for a request.
struct LoadAnswer {
  var status: Int
  /// The status line and the header fields.
  var head: ArraySlice<UInt8>
  var body: ArraySlice<UInt8>
  /// Whether the service ends the connection behind it.
  var closes: Bool

  /// Reads an answer off the beginning of what was received.
  /// - Returns: the answer and how many bytes it takes; `nil` while it is not whole.
  static func read(_ received: [UInt8]) -> (answer: LoadAnswer, length: Int)? {
    guard let head = headLength(received) else { return nil }
    let fields = received[..<head]
    let length = number(in: value(of: "content-length", in: fields) ?? [])
    guard received.count >= head + length else { return nil }
    let connection = value(of: "connection", in: fields) ?? []
    let answer = LoadAnswer(
      status: number(in: received[min(9, head)..<min(12, head)]), head: fields,
      body: received[head..<head + length],
      closes: connection.map { $0 | 0x20 } == Array("close".utf8))
    return (answer, head + length)
  }

  /// The value of a header field.
  /// - Parameter name: in lower case.
  func header(_ name: StaticString) -> String? {
    Self.value(of: name, in: head).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes up to and with the empty line.
  private static func headLength(_ received: [UInt8]) -> Int? {
    received.withUnsafeBytes { bytes in
      var index = 3
      while index < bytes.count {
        if bytes[index] == 0x0A, bytes[index - 1] == 0x0D, bytes[index - 2] == 0x0A,
          bytes[index - 3] == 0x0D
        {
          return index + 1
        }
        index += 1
      }
      return nil
    }
  }

  private static func value(of name: StaticString, in head: ArraySlice<UInt8>) -> ArraySlice<
    UInt8
  >? {
    let count = name.utf8CodeUnitCount
    var start = head.startIndex
    while let end = head[start...].firstIndex(of: 0x0D) {
      if end - start > count, head[start + count] == 0x3A,
        (0..<count).allSatisfy({ head[start + $0] | 0x20 == name.utf8Start[$0] | 0x20 })
      {
        let value = head[(start + count + 1)..<end].drop { $0 == 0x20 }
        return value
      }
      start = min(end + 2, head.endIndex)
    }
    return nil
  }

  /// The decimal number at the beginning; 0 without one.
  private static func number(in text: ArraySlice<UInt8>) -> Int {
    text.prefix { (0x30...0x39).contains($0) }.prefix(18).reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }
}
