// The board's flash as a file.

import Foundation

/// The image that stands for the board's NOR.
struct FlashImage: Sendable {
  /// What boards/ast1030-evb/flash.c says.
  static let size = 4 << 20
  private static let ringOffset: UInt64 = 0x10_0000
  private static let ringSize = 512 << 10

  let file: URL

  /// Makes an erased one.
  func make() throws {
    do {
      try Data(repeating: 0xFF, count: Self.size).write(to: file)
    } catch {
      throw DemoFailure(
        .system, "cannot write \(file.path): \(error.localizedDescription)",
        remedy: "Free some space, or choose another place with --folder")
    }
  }

  /// The bytes of the dump ring.
  func ring() throws -> Data {
    let handle = try FileHandle(forReadingFrom: file)
    defer { try? handle.close() }
    try handle.seek(toOffset: Self.ringOffset)
    guard let bytes = try handle.read(upToCount: Self.ringSize), bytes.count == Self.ringSize else {
      throw DemoFailure(.unexpected, "\(file.path) is shorter than the board's flash")
    }
    return bytes
  }
}
