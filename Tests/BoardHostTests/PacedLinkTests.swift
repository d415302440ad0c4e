// The paced line between an emulated board and a host, in virtual time.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct PacedLinkTests {
  /// Notes what arrives and answers each byte with one of its own, once.
  private final class Echo: LinkHost {
    var link: PacedLink?
    var arrived: [(at: Duration, bytes: [UInt8])] = []
    var nextDeadline: Duration?
    var wakes: [Duration] = []

    func wake(at now: Duration) {
      wakes.append(now)
      nextDeadline = nil
    }

    func receive(_ bytes: [UInt8], at now: Duration) {
      arrived.append((now, bytes))
      link?.send(bytes)
    }
  }

  private func bench(
    _ settings: PacedLink.Settings = .init()
  ) throws -> (EmulatedBoard, PacedLink, Echo) {
    let board = try EmulatedBoard()
    let link = PacedLink(board: board, settings: settings)
    let host = Echo()
    link.host = host
    host.link = link
    return (board, link, host)
  }

  /// Writes what the line takes, and waits for `count` bytes.
  private func exchange(_ bytes: [UInt8], _ board: EmulatedBoard, awaiting count: Int) -> [UInt8] {
    var sent = 0
    var received: [UInt8] = []
    while board.state == .running, received.count < count, board.clock < 1_000_000 {
      if sent < bytes.count {
        var next = bytes[sent]
        sent += halSerialWrite(&next, 1)
      }
      var byte: UInt8 = 0
      if halSerialRead(&byte, 1) == 1 { received.append(byte) }
    }
    return received
  }

  @Test func `an echo takes its bytes' time and both latencies`() throws {
    let (board, link, host) = try bench()
    let bytes = [UInt8](1...100)
    let received = link.run { exchange(bytes, board, awaiting: 100) }
    #expect(received == bytes)
    #expect(host.arrived.flatMap(\.bytes) == bytes)
    // 10 us a byte: the last comes 1 ms after it left, and is back in another.
    let last = try #require(host.arrived.last).at
    #expect((.microseconds(2_000) ... .microseconds(2_100)).contains(last))
    #expect((.microseconds(3_000) ... .microseconds(3_300)).contains(link.now))
    #expect(link.bytesToHost == 100)
    #expect(link.bytesToBoard == 100)
  }

  @Test func `the host's timers end when they are due, whatever the board does`() throws {
    let (board, link, host) = try bench()
    host.nextDeadline = .microseconds(777)
    var happened: [Duration] = []
    link.at(.microseconds(500)) { happened.append(link.now) }
    _ = link.run { exchange([], board, awaiting: 1) }
    #expect(host.wakes == [.microseconds(777)])
    #expect(happened == [.microseconds(500)])
    #expect(link.now >= .seconds(1))
  }

  @Test func `time goes on over a reset, and what is not connected hears nothing`() throws {
    let (board, link, host) = try bench()
    link.run { _ = exchange([], board, awaiting: 1) }
    let before = link.now
    board.warmReset()
    link.restarted()
    link.isConnected = false
    link.at(before + .microseconds(100)) { link.isConnected = true }
    _ = link.run { exchange([1], board, awaiting: 1) }
    #expect(link.now >= before + .seconds(1))
    #expect(host.arrived.isEmpty)
  }

  @Test func `so many bytes later is at that very byte`() throws {
    let (board, link, host) = try bench()
    link.after(bytes: 30) { link.isConnected = false }
    _ = link.run { exchange([UInt8](1...100), board, awaiting: 100) }
    // What was under way is lost with the rest.
    #expect(host.arrived.isEmpty)
    #expect((30..<60).contains(link.bytesToHost))
  }

  @Test func `whole frames are lost, and the zeros between them stay`() {
    var loss = FrameLoss(rate: 0.5, generator: SeededGenerator(seed: 1))
    var left: [UInt8] = []
    for value in 1...100 as ClosedRange<UInt8> {
      left += loss.pass([0, value, value])
      left += loss.pass([value, 0])
    }
    #expect(loss.lost + loss.passed == 100)
    #expect((30...70).contains(loss.lost))
    let frames = left.split(separator: 0).map(Array.init)
    #expect(frames.count == loss.passed)
    #expect(frames.allSatisfy { $0.count == 3 && Set($0).count == 1 })
    // One zero may end a frame and begin the next.
    var shared = FrameLoss(rate: 1, generator: SeededGenerator(seed: 1))
    #expect(shared.pass([0, 1, 0, 2, 2, 0]) == [0])
    #expect(shared.lost == 2)
  }
}
