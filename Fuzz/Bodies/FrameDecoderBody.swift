// Fuzzes the link's receiver and the decoders of every payload.

import DumpFormat
import LinkProtocol

/// The first two bytes choose the receiver's buffer; the rest is fed to the receiver as a line, to
/// every payload decoder as a payload, and round the way of writer and receiver as a frame.
public func fuzzFrameDecoder(_ input: UnsafeRawBufferPointer) {
  guard input.count >= 2 else { return }
  let capacity = (Int(input[0]) | Int(input[1]) << 8) % (FrameLimit.largest + 1)
  let rest = UnsafeRawBufferPointer(rebasing: input[2...])
  feedLine(rest, capacity: capacity)
  decodePayload(rest)
  roundTrip(rest)
}

private func feedLine(_ line: UnsafeRawBufferPointer, capacity: Int) {
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
  defer { buffer.deallocate() }
  var receiver = FrameReceiver(buffer: buffer)
  var textBytes = 0
  func take(_ received: Received) {
    switch received {
    case .nothing, .damaged: break
    case .text: textBytes += 1
    case .twoOfText: textBytes += 2
    case .frame(let frame):
      require(
        frame.payload.count + FrameLimit.overhead <= capacity, "A frame is larger than its buffer")
      decodePayload(frame.payload)
    }
  }
  for byte in line { take(receiver.receive(byte)) }
  take(receiver.idle())
  require(textBytes <= line.count, "A line gave more text than it has bytes")
}

private func decodePayload(_ payload: UnsafeRawBufferPointer) {
  _ = try? Hello(decoding: payload)
  _ = try? Offer(decoding: payload)
  _ = try? DataRun(decoding: payload)
  _ = try? LeaseStatus(decoding: payload)
  _ = try? Done(decoding: payload)
  _ = try? Starting(decoding: payload)
  _ = try? Refused(decoding: payload)
  _ = try? Welcome(decoding: payload)
  _ = try? Next(decoding: payload)
  _ = try? Fetch(decoding: payload)
  _ = try? Receipt(decoding: payload)
  _ = try? TallyRequest(decoding: payload)
  _ = try? CrashCount(decoding: payload)
}

/// What the writer frames, the receiver gives back unchanged.
private func roundTrip(_ input: UnsafeRawBufferPointer) {
  let payload = UnsafeRawBufferPointer(
    rebasing: input.prefix(FrameLimit.largest - FrameLimit.overhead))
  let size = payload.count + FrameLimit.overhead
  let line = UnsafeMutableRawBufferPointer.allocate(
    byteCount: FrameLimit.writing(size), alignment: 8)
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
  defer {
    line.deallocate()
    buffer.deallocate()
  }
  var writer = FrameWriter(.data, sequence: 7, into: line)
  writer.append(payload)
  guard let length = writer.finish() else {
    require(false, "A frame does not fit where the limit says that it does")
    return
  }
  var receiver = FrameReceiver(buffer: buffer)
  var arrived = false
  for byte in line[..<length] {
    if case .frame(let frame) = receiver.receive(byte) {
      require(frame.payload.elementsEqual(payload), "A frame changed on its way")
      arrived = true
    }
  }
  require(arrived, "A frame got lost on its way")
}
