// The writer's encoding in place: every length and pattern of zeros, and buffers that are too small.

import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

/// COBS as Cheshire and Baker tell it (1999), without a delimiter.
private func cobs(_ bytes: [UInt8]) -> [UInt8] {
  var out: [UInt8] = []
  var run: [UInt8] = []
  for (i, byte) in bytes.enumerated() {
    if byte != 0 { run.append(byte) }
    if byte == 0 {
      out += [UInt8(run.count + 1)] + run
      run = []
    } else if run.count == 254, i + 1 < bytes.count {
      out += [0xFF] + run
      run = []
    }
  }
  return out + [UInt8(run.count + 1)] + run
}

/// What has to be on the line for a frame.
private func reference(_ type: FrameType, _ sequence: UInt8, _ payload: [UInt8]) -> [UInt8] {
  let plain = [0x91, type.rawValue, sequence] + payload
  let crc = plain.withUnsafeBytes { CRC32C.checksum($0) }
  let whole = plain + (0..<4).map { UInt8(truncatingIfNeeded: crc >> (8 * UInt32($0))) }
  return [0] + cobs(whole) + [0]
}

/// Where zeros stand in a payload.
private enum Zeros: CaseIterable {
  case none, all, first, last, everySecond, every254th, every255th, random

  func payload(_ length: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<length).map { at -> UInt8 in
      let isZero =
        switch self {
        case .none: false
        case .all: true
        case .first: at == 0
        case .last: at == length - 1
        case .everySecond: at % 2 == 0
        case .every254th: at % 254 == 253
        case .every255th: at % 255 == 254
        case .random: generator.chance(0.1)
        }
      return isZero ? 0 : UInt8(at % 255 + 1)
    }
  }
}

/// A buffer between guards.
private struct GuardedBuffer {
  private let memory: UnsafeMutableRawBufferPointer
  let buffer: UnsafeMutableRawBufferPointer

  init(_ capacity: Int) {
    memory = .allocate(byteCount: capacity + 64, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0xC3)
    buffer = UnsafeMutableRawBufferPointer(rebasing: memory[32..<32 + capacity])
  }

  var isIntact: Bool {
    memory.prefix(32).allSatisfy { $0 == 0xC3 } && memory.suffix(32).allSatisfy { $0 == 0xC3 }
  }

  func free() { memory.deallocate() }
}

@Suite struct FrameWriterTests {
  @Test func `every length and pattern of zeros is encoded in place and comes back`() {
    var generator = SeededGenerator.fromEnvironment()
    for length in 0...1100 {
      for zeros in Zeros.allCases where length < 520 || zeros == .none || zeros == .random {
        let payload = zeros.payload(length, &generator)
        // No more room than the limit says.
        let room = GuardedBuffer(FrameLimit.writing(length + FrameLimit.overhead))
        defer { room.free() }
        var writer = FrameWriter(.data, sequence: 7, into: room.buffer)
        payload.withUnsafeBytes { writer.append($0) }
        let count = writer.finish() ?? 0
        let wire = Array(room.buffer.prefix(count))
        let isRight = wire == reference(.data, 7, payload) && room.isIntact
        #expect(isRight, "length \(length), \(zeros)")
        #expect(count <= FrameLimit.encoded(length + FrameLimit.overhead))
        guard length % 16 < 2 else { continue }
        let frames = Line(wire).frames
        #expect(frames.count == 1 && frames.first?.payload == payload)
      }
    }
  }

  @Test func `the largest frame is encoded in place whatever it holds`() {
    var generator = SeededGenerator.fromEnvironment()
    for zeros in Zeros.allCases {
      let payload = zeros.payload(FrameLimit.largest - FrameLimit.overhead, &generator)
      let wire = encoded(.data, sequence: 7, payload)
      #expect(wire == reference(.data, 7, payload))
      #expect(Line(wire).frames.first?.payload == payload)
    }
  }

  @Test func `a buffer that is too small gives no frame and nothing is written outside`() {
    for length in [0, 1, 5, 16, 40] {
      let needed = FrameLimit.writing(length + FrameLimit.overhead)
      for capacity in 0...needed + 1 {
        for way in 0..<4 {
          let room = GuardedBuffer(capacity)
          defer { room.free() }
          var writer = FrameWriter(.data, sequence: 1, into: room.buffer)
          fill(&writer, length, way)
          let count = writer.finish()
          #expect((count != nil) == (capacity >= needed), "length \(length), room \(capacity)")
          #expect(room.isIntact, "length \(length), room \(capacity), way \(way)")
        }
      }
    }
  }

  /// Appends `length` bytes by one of the ways there are.
  private func fill(_ writer: inout FrameWriter, _ length: Int, _ way: Int) {
    let bytes = [UInt8](repeating: 9, count: length)
    switch way {
    case 0: for byte in bytes { writer.append(byte) }
    case 1: bytes.withUnsafeBytes { writer.append($0) }
    case 2: writer.reserve(length)?.initializeMemory(as: UInt8.self, repeating: 9, count: length)
    default:
      for _ in 0..<length / 4 { writer.append(0x0909_0909 as UInt32) }
      for _ in 0..<length % 4 { writer.append(9 as UInt8) }
    }
  }

  @Test func `a frame that did not fit once gives nothing, whatever follows`() {
    let room = GuardedBuffer(64)
    defer { room.free() }
    var writer = FrameWriter(.data, sequence: 0, into: room.buffer)
    #expect(writer.reserve(1000) == nil)
    writer.append(1 as UInt8)
    #expect(writer.reserve(1) == nil)
    #expect(writer.finish() == nil)
    #expect(room.isIntact)
  }

  @Test func `a payload begins at a multiple of 4 of an aligned buffer`() {
    let room = GuardedBuffer(64)
    defer { room.free() }
    var writer = FrameWriter(.data, sequence: 0, into: room.buffer)
    let place = writer.reserve(8)
    #expect(place != nil && UInt(bitPattern: place) % 4 == 0)
  }
}
