// A board on a line as slow as a real one: nothing that arrives is lost, and nobody waits for it long.

@testable import BootAgent
import BoardHAL
import CrashCapture
import DumpFormat
import DumpRing
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct LineTests {
  /// A board that has booted with a dump of some KiB waiting and offered; the boot agent waits.
  private func withDump() throws -> (Bench, key: DumpKey, length: UInt32) {
    let bench = try Bench(slotSize: 16384)
    bench.boot()
    bench.give()
    var generator = SeededGenerator.fromEnvironment()
    try bench.board.setMemory(at: 0x2000_4000, to: generator.bytes(8192))
    bench.board.run { _ = CrashCapture.register(address: 0x2000_4000, length: 8192, id: 1) }
    bench.crash()
    bench.boot()
    let offer = try #require(bench.next())
    bench.ask(.welcome) { Welcome(version: 1, largestFrame: 4096).append(to: &$0) }
    return (bench, offer.key, offer.length)
  }

  private func fetch(_ bench: Bench, _ key: DumpKey, _ length: UInt32) -> [UInt8] {
    bench.frame(.fetch, sequence: 200) {
      Fetch(key: key, transfer: 1, offset: 0, length: length).append(to: &$0)
    }
  }

  private func content(_ frames: [BoardFrame]) -> [UInt8] {
    frames.filter { $0.is(.data) }.flatMap { $0.payload.dropFirst(4) }
  }

  private func write(_ bench: Bench, _ text: String) {
    bench.board.run {
      Array(text.utf8).withUnsafeBufferPointer { bench.agent?.write($0) }
    }
  }

  @Test func `scratch RAM has a place for everything`() {
    #expect(ScratchLayout.received + LinkPort.largestReceived <= ScratchLayout.sent)
    #expect(ScratchLayout.sent + FrameLimit.writing(LinkPort.largestSent) <= ScratchLayout.ring)
    #expect(ScratchLayout.ring + DumpRing.tableSize <= ScratchLayout.port)
    #expect(ScratchLayout.port + LinkPort.stateSize <= ScratchLayout.arrived)
    #expect(ScratchLayout.end <= 4096, "no board has to bring more")
  }

  @Test func `requests and typing that arrive while DATA goes out are not lost at 3 Mbaud`() throws
  {
    let (bench, key, length) = try withDump()
    bench.board.setBaud(3_000_000, fifo: 16)
    bench.board.setClockStep(.microseconds(1))
    bench.board.setFlashTakesTime(true)
    bench.board.send(fetch(bench, key, length))
    let typed = "a line that is longer than the FIFO of a UART\r\n"
    var frames: [BoardFrame] = []
    var asked: [UInt8] = []
    for turn in 0..<30_000 where content(frames).count < length {
      // More than a FIFO at a time, all through the transfer.
      if turn % 1000 == 500 {
        asked += [UInt8(asked.count + 1), UInt8(asked.count + 2)]
        bench.board.send(
          bench.frame(.who, sequence: asked[asked.count - 2]) + Array(typed.utf8)
            + bench.frame(.who, sequence: asked[asked.count - 1]))
      }
      frames += bench.poll()
    }
    for _ in 0..<2000 { frames += bench.poll() }
    #expect(content(frames).count == length)
    #expect(asked.count > 8)
    #expect(frames.filter { $0.is(.hello) }.map(\.sequence) == asked)
    #expect(
      String(decoding: bench.console, as: UTF8.self)
        == String(repeating: typed, count: asked.count / 2))
    #expect(bench.board.counters.overruns == 0)
  }

  @Test func `answers come between DATA frames, behind one at most`() throws {
    let (bench, key, length) = try withDump()
    bench.board.setLineCapacity(toHost: 2000, toBoard: 4096)
    bench.board.send(fetch(bench, key, length))
    for request in 1...4 as ClosedRange<UInt8> {
      bench.poll()
      bench.board.send(bench.frame(.who, sequence: request))
      var behind = 0
      while behind < 3 {
        let frames = bench.poll()
        let answer = frames.firstIndex { $0.is(.hello) }
        behind += frames[..<(answer ?? frames.endIndex)].filter { $0.is(.data) }.count
        guard answer == nil else { break }
      }
      #expect(behind <= 1)
    }
  }

  @Test func `a line that takes nothing holds no poll up and the frame goes on when it does`()
    throws
  {
    let (bench, key, length) = try withDump()
    bench.ask(.go)
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.microseconds(50))
    bench.board.send(fetch(bench, key, length))
    for _ in 0..<20 {
      let before = bench.board.clock
      bench.turn()
      #expect(bench.board.clock - before < 7_000)
    }
    // Whatever the line takes at a time: the frames are whole and nothing is missing.
    var frames: [BoardFrame] = []
    for _ in 0..<400 { frames += bench.poll() }
    #expect(content(frames).count == length)
  }

  @Test func `a frame that the line does not take for 250 ms is given up, and typing arrives`()
    throws
  {
    let (bench, key, length) = try withDump()
    bench.ask(.go)
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.microseconds(50))
    bench.board.send(fetch(bench, key, 1024) + Array("help\r\n".utf8))
    bench.turn(20)
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    bench.board.advance(by: .milliseconds(200))
    #expect(content(bench.poll()).count == 1024, "in time")

    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.send(fetch(bench, key, length))
    bench.turn()
    bench.board.send(Array("again\r\n".utf8))
    bench.turn(100)
    #expect(bench.console == Array("help\r\nagain\r\n".utf8))
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    var frames: [BoardFrame] = []
    for _ in 0..<100 { frames += bench.poll() }
    #expect(frames.contains { $0.is(.data) }, "the next frame is whole")
  }

  @Test func `console text waits for the rest of a frame`() throws {
    let (bench, key, _) = try withDump()
    bench.ask(.go)
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.microseconds(50))
    bench.board.send(fetch(bench, key, 1024))
    bench.turn()
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    write(bench, "ready\r\n")
    #expect(content(bench.hear()).count == 1024)
    #expect(bench.boardText == Array("ready\r\n".utf8))
  }

  @Test func `console text behind a frame that was given up is text`() throws {
    let (bench, key, _) = try withDump()
    bench.ask(.go)
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.microseconds(50))
    bench.board.send(fetch(bench, key, 1024))
    bench.turn()
    let before = bench.board.clock
    write(bench, "lost")
    #expect(bench.board.clock - before < 1_000_000)
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    write(bench, "ready\r\n")
    #expect(bench.hear().isEmpty)
    #expect(bench.boardText == Array("ready\r\n".utf8))
    #expect(bench.hello() != nil)
  }

  @Test func `console text behind a frame that a reset cut is text`() throws {
    let (bench, key, _) = try withDump()
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.send(fetch(bench, key, 1024))
    bench.poll()
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    bench.reboot()
    write(bench, "booting\r\n")
    bench.greet()
    #expect(bench.hear().map(\.type) == [FrameType.hello.rawValue])
    #expect(bench.boardText == Array("booting\r\n".utf8))
  }

  @Test func `what was begun under consent is not finished without`() throws {
    let (bench, key, _) = try withDump()
    bench.ask(.go)
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.microseconds(50))
    bench.board.send(fetch(bench, key, 1024))
    bench.turn()
    bench.board.advance(by: .seconds(172_800))
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    _ = bench.board.receive()
    bench.poll(5)
    #expect(bench.board.receive().isEmpty)
    #expect(bench.hello() != nil)
  }

  @Test func `one 00 parts the frames of the boot agent, two those of an application`() throws {
    let (bench, _, _) = try withDump()
    func zeros() -> [Int] {
      bench.board.send(bench.frame(.who, sequence: 1) + bench.frame(.who, sequence: 2))
      bench.turn()
      let bytes = bench.board.receive()
      let frames = bench.understand(bytes)
      #expect(frames.map(\.sequence) == [1, 2])
      let size = bytes.count / 2
      return bytes.indices.filter { bytes[$0] == 0 }.map { $0 < 2 ? 0 : ($0 + 1) / size }
    }
    #expect(zeros() == [1, 2])
    write(bench, "text")
    #expect(bench.understand(bench.board.receive()).isEmpty)
    #expect(zeros() == [0, 1, 2], "text is in front")
    bench.ask(.go)
    #expect(zeros() == [0, 1, 1, 2])
  }

  @Test func `a boot begins with a 00 and its HELLO has one of its own`() throws {
    let bench = try Bench()
    bench.boot()
    bench.greet()
    let bytes = bench.board.receive()
    #expect(bytes.prefix(2) == [0, 0] && bytes[3] == 0x91)
  }
}
