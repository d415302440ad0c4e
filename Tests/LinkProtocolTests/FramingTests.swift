// The line's framing: what is written is read, and what is damaged costs itself alone.

import DumpFormat
import LinkProtocol
import Testing

/// Encodes one frame with a payload of raw bytes.
func encoded(_ type: FrameType, sequence: UInt8 = 1, _ payload: [UInt8]) -> [UInt8] {
  var buffer = [UInt8](repeating: 0xEE, count: FrameLimit.writing(payload.count + 7))
  let length = buffer.withUnsafeMutableBytes { raw -> Int? in
    var writer = FrameWriter(type, sequence: sequence, into: raw)
    payload.withUnsafeBytes { writer.append($0) }
    return writer.finish()
  }
  return Array(buffer.prefix(length ?? 0))
}

/// What a receiver made of a line, in order.
struct Line {
  var text: [UInt8] = []
  var frames: [(type: UInt8, sequence: UInt8, payload: [UInt8])] = []
  var damaged = 0

  init(_ bytes: [UInt8], capacity: Int = 4096) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
    defer { buffer.deallocate() }
    var receiver = FrameReceiver(buffer: buffer)
    for byte in bytes { take(receiver.receive(byte)) }
    take(receiver.idle())
  }

  private mutating func take(_ received: Received) {
    switch received {
    case .nothing: break
    case .text(let byte): text.append(byte)
    case .twoOfText(let first, let second): text += [first, second]
    case .frame(let frame): frames.append((frame.type, frame.sequence, Array(frame.payload)))
    case .damaged: damaged += 1
    }
  }
}

@Test(arguments: [0, 1, 249, 250, 251, 252, 253, 254, 255, 500, 1017, 4089])
func `payloads of every run length come back`(length: Int) {
  for fill in 0..<3 {
    let payload = (0..<length).map { i -> UInt8 in
      fill == 0 ? 0 : fill == 1 ? 0xA5 : UInt8(truncatingIfNeeded: i &* 7)
    }
    let wire = encoded(.data, sequence: 9, payload)
    #expect(wire.count <= FrameLimit.encoded(length + 7))
    #expect(!wire.dropFirst().dropLast().contains(0))
    let line = Line(wire)
    #expect(line.frames.count == 1)
    #expect(line.frames.first?.payload == payload)
    #expect(line.frames.first?.sequence == 9)
    #expect(line.text.isEmpty)
  }
}

@Test func `console text around frames stays whole and in order`() {
  let wire = Array("boot ok\r\n".utf8) + encoded(.who, []) + Array("é> x".utf8) + encoded(.go, [])
  let line = Line(wire)
  #expect(line.text == Array("boot ok\r\né> x".utf8))
  #expect(line.frames.map(\.type) == [0x81, 0x87])
}

@Test func `neighbouring frames may share a delimiter`() {
  let first = encoded(.who, [])
  let line = Line(first.dropLast() + encoded(.go, []))
  #expect(line.frames.map(\.type) == [0x81, 0x87])
}

@Test func `every flipped bit of a frame is noticed and the next frame arrives`() {
  let frame = encoded(.receipt, [1, 0, 0, 0, 2, 0, 0, 0, 1])
  for bit in 0..<frame.count * 8 {
    var wire = frame
    wire[bit / 8] ^= 1 << (bit % 8)
    let line = Line(wire + encoded(.go, []))
    #expect(line.frames.last?.type == 0x87, "bit \(bit)")
    let intact = line.frames.filter { $0.type != 0x87 }
    #expect(intact.isEmpty || bit / 8 == frame.count - 1 || bit / 8 == 0, "bit \(bit)")
  }
}

@Test func `a lost byte anywhere costs one frame at most`() {
  let frame = encoded(.next, [9, 0, 0, 0, 1, 0, 0, 0])
  for lost in frame.indices {
    var wire = frame
    wire.remove(at: lost)
    let line = Line(wire + encoded(.go, []) + Array("ok\n".utf8))
    #expect(line.frames.last?.type == 0x87, "byte \(lost)")
    #expect(line.text.suffix(3) == Array("ok\n".utf8))
  }
}

@Test func `a frame longer than the buffer is skipped whole, and text and frames go on`() {
  for length in [58, 59, 200, 4089] {
    let long = encoded(.data, [UInt8](repeating: UInt8(ascii: "x"), count: length))
    let line = Line(
      encoded(.who, []) + long + Array("text".utf8) + long.dropLast() + encoded(.go, []),
      capacity: 64)
    #expect(line.frames.map(\.type) == [0x81, 0x87])
    #expect(line.text == Array("text".utf8))
    #expect(line.damaged == 2)
  }
}

@Test func `a frame that was cut costs what comes up to the next 00 and no more`() {
  let frame = encoded(.receipt, [1, 0, 0, 0, 2, 0, 0, 0, 1])
  for cut in 0..<frame.count - 1 {
    // The reset's own 00, then text, then a frame.
    let line = Line(Array(frame.prefix(cut)) + [0] + Array("boot\r\n".utf8) + encoded(.who, []))
    #expect(line.frames.map(\.type) == [0x81], "\(cut)")
    #expect(line.text.suffix(6) == Array("boot\r\n".utf8), "\(cut)")
    #expect(line.damaged <= 1)
  }
}

@Test func `who joins a line between two frames that share a 00 hears the second`() {
  let first = encoded(.who, [])
  let shared = first + encoded(.go, []).dropFirst()
  for start in 0..<shared.count {
    let line = Line(Array(shared.dropFirst(start)) + encoded(.next, [1, 2, 3, 4, 5, 6, 7, 8]))
    #expect(line.frames.contains { $0.type == 0x87 } == (start <= first.count), "\(start)")
    #expect(line.frames.last?.type == 0x84)
  }
  #expect(Line([UInt8(ascii: "a")]).text == [UInt8(ascii: "a")])
}

@Test func `a hello comes back field by field and no other length passes`() throws {
  var hello = Hello()
  hello.bootCount = 77
  hello.leaseState = .allowed
  hello.leaseSeconds = 172_800
  hello.dumpsWaiting = 3
  hello.nonce.bytes[15] = 0xAB
  hello.deviceID.bytes[63] = 0x11
  hello.phase = .application
  var buffer = [UInt8](repeating: 0, count: 256)
  let length = buffer.withUnsafeMutableBytes { raw -> Int? in
    var writer = FrameWriter(.hello, sequence: 0, into: raw)
    hello.append(to: &writer)
    return writer.finish()
  }
  let payload = try #require(Line(Array(buffer.prefix(length ?? 0))).frames.first?.payload)
  let decoded = try payload.withUnsafeBytes { try Hello(decoding: $0) }
  #expect(decoded.bootCount == 77)
  #expect(decoded.leaseState == .allowed)
  #expect(decoded.leaseSeconds == 172_800)
  #expect(decoded.nonce == hello.nonce)
  #expect(decoded.deviceID == hello.deviceID)
  #expect(decoded.phase == .application)
  for length in 0..<payload.count {
    #expect(throws: LinkError.wrongLength) { try decodeHello(Array(payload.prefix(length))) }
  }
}

private func decodeHello(_ payload: [UInt8]) throws {
  _ = try payload.withUnsafeBytes { bytes in try Hello(decoding: bytes) }
}
