// Frames over lines of every kind that also drop, flip, double, swap, delay and break off.

import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge
@testable import SerialLink

@Suite(.timeLimit(.minutes(5))) struct FaultyLineTests {
  @Test(arguments: LineKind.allCases)
  func `over a clean line every frame comes back in order`(kind: LineKind) async throws {
    var generator = SeededGenerator(seed: 1)
    let frames = Self.frames(60, &generator)
    let echoed = try await exchange(frames, over: kind, faults: .init(), &generator)
    #expect(echoed == frames)
  }

  @Test(arguments: LineKind.allCases)
  func `over a bad line no frame comes back that was not sent`(kind: LineKind) async throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    let frames = Self.frames(200, &generator)
    let echoed = try await exchange(
      frames, over: kind, faults: .everything(rate: 0.02), &generator)
    #expect(echoed.allSatisfy(Set(frames).contains), "seed \(seed)")
    // Far from all are hit.
    #expect(Set(echoed).count > frames.count / 4, "seed \(seed)")
  }

  @Test(arguments: LineKind.allCases)
  func `a line cut at any byte of a frame carries the next one when it is opened again`(
    kind: LineKind
  ) async throws {
    var generator = SeededGenerator(seed: 3)
    let frames = Self.frames(2, size: 24...24, &generator)
    try await FarEnd.with(kind) { far, address in
      for cut in 0..<frames[0].count {
        let partial = Array(frames[0][..<cut])
        let before = try await Self.echo(partial, over: far.transport, address)
        let after = try await Self.echo(frames[1], over: far.transport, address)
        // A frame that lacks its last delimiter alone is ended by the first of the next.
        let whole = cut == frames[0].count - 1 ? frames : [frames[1]]
        #expect(Self.received(before + after) == whole, "cut at \(cut)")
      }
    }
  }

  /// Sends frames over a line that is bad both ways and returns those that come back whole.
  private func exchange(
    _ frames: [[UInt8]], over kind: LineKind, faults: FaultyLink.Faults,
    _ generator: inout SeededGenerator
  ) async throws -> [[UInt8]] {
    let sent = Self.damaged(frames, faults, &generator)
    let (echoes, echo) = AsyncStream.makeStream(of: [UInt8].self)
    try await FarEnd.with(kind) { far, address in
      echo.yield(try await Self.echo(sent, over: far.transport, address))
    }
    var back: [UInt8] = []
    for await bytes in echoes {
      back = bytes
      break
    }
    #expect(back == sent)
    let chunks = stride(from: 0, to: back.count, by: 50).map {
      Array(back[$0..<min($0 + 50, back.count)])
    }
    return Self.received(Self.damaged(chunks, faults, &generator))
  }

  /// What is left of chunks that passed a bad line.
  private static func damaged(
    _ chunks: [[UInt8]], _ faults: FaultyLink.Faults, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var link = FaultyLink(faults: faults, generator: generator.split())
    var result: [UInt8] = []
    for chunk in chunks {
      link.send(chunk)
      link.advance()
      result += link.receive()
    }
    link.advance(ticks: 100)
    return result + link.receive()
  }

  /// Sends bytes over a line and reads as many.
  private static func echo(
    _ bytes: [UInt8], over transport: any BoardTransport, _ address: BoardAddress
  ) async throws -> [UInt8] {
    try await transport.withConnection(to: address) { inbound, outbound in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await outbound.write(bytes) }
        var received: [UInt8] = []
        if !bytes.isEmpty {
          for try await chunk in inbound {
            received += chunk
            if received.count >= bytes.count { break }
          }
        }
        try await group.waitForAll()
        return received
      }
    }
  }

  /// Frames of random payloads, as they are on the line.
  private static func frames(
    _ count: Int, size: ClosedRange<Int> = 0...200, _ generator: inout SeededGenerator
  ) -> [[UInt8]] {
    (0..<count).map { index in
      let payload = generator.bytes(Int.random(in: size, using: &generator))
      return encoded(payload, sequence: UInt8(truncatingIfNeeded: index))
    }
  }

  private static func encoded(_ payload: [UInt8], sequence: UInt8) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: FrameLimit.writing(FrameLimit.largest)) { buffer, count in
      var frame = FrameWriter(
        .hello, sequence: sequence, into: UnsafeMutableRawBufferPointer(buffer))
      for byte in payload { frame.append(byte) }
      count = frame.finish() ?? 0
    }
  }

  /// The frames that a receiver finds, encoded again.
  private static func received(_ bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    withUnsafeTemporaryAllocation(byteCount: FrameLimit.largest + 64, alignment: 4) { buffer in
      var receiver = FrameReceiver(buffer: buffer)
      for byte in bytes {
        guard case .frame(let frame) = receiver.receive(byte) else { continue }
        found.append(encoded(Array(frame.payload), sequence: frame.sequence))
      }
    }
    return found
  }
}
