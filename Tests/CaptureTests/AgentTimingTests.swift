// When the application starts: promptly, whatever the host does.

import BoardHAL
import BootAgent
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct AgentTimingTests {
  /// A board that has booted with a dump waiting and nobody heard yet. Reading its clock takes
  /// 1 ms, so that waiting ends.
  private func withDump(line: UInt32 = 1 << 16) throws -> Bench {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash()
    bench.board.restart()
    bench.boot()
    _ = bench.hear()
    bench.board.setLineCapacity(toHost: line, toBoard: 4096)
    bench.board.setClockStep(.milliseconds(1))
    return bench
  }

  private func started(_ frames: [BoardFrame]) -> StartReason? {
    frames.last { $0.is(.starting) }.flatMap { StartReason(rawValue: $0.payload[0]) }
  }

  /// What the clock shows, seconds.
  private func seconds(_ bench: Bench) -> Double { Double(bench.board.clock) / 1_000_000 }

  @Test func `with nothing to forward the application starts at once`() throws {
    let bench = try Bench()
    bench.boot()
    bench.board.setClockStep(.milliseconds(1))
    let frames = bench.waitForHost()
    #expect(started(frames) == .nothingToForward)
    #expect(frames.map(\.type) == [FrameType.hello.rawValue, FrameType.starting.rawValue])
    #expect(seconds(bench) < 0.1)
    #expect(bench.hello()?.phase == .application)
  }

  @Test func `with a dump and nobody there it starts 5 s after reset`() throws {
    let bench = try withDump()
    let frames = bench.waitForHost()
    #expect(started(frames) == .nobodyAnswered)
    #expect((5.0..<5.05).contains(seconds(bench)))
    let hellos = frames.filter { $0.is(.hello) }.count
    #expect(hellos == 10 || hellos == 11)
  }

  @Test func `time spent before waiting counts from reset`() throws {
    let bench = try withDump()
    bench.board.setClock(to: 4_000_000)
    bench.waitForHost()
    #expect((5.0..<5.05).contains(seconds(bench)))
  }

  @Test func `a full line does not hold the application up`() throws {
    let bench = try withDump(line: 10)
    bench.waitForHost()
    #expect((5.0..<5.8).contains(seconds(bench)))
    #expect(bench.agent?.phase == .application)
  }

  @Test func `noise on the line is not a host`() throws {
    let bench = try withDump()
    var generator = SeededGenerator.fromEnvironment()
    bench.board.send(generator.bytes(4096))
    #expect(started(bench.waitForHost()) == .nobodyAnswered)
    #expect((5.0..<5.5).contains(seconds(bench)))
  }

  @Test func `the host says GO and the application starts then`() throws {
    let bench = try withDump()
    bench.board.send(bench.frame(.go, sequence: 77))
    let frames = bench.waitForHost()
    #expect(started(frames) == .hostSaidGo)
    #expect(frames.last { $0.is(.starting) }?.sequence == 77)
    #expect(seconds(bench) < 0.1)
    // GO while the application runs is answered with the reason of then.
    #expect(started(bench.ask(.go)) == .hostSaidGo)
  }

  @Test func `a host that falls silent is waited for 5 s from its last frame`() throws {
    let bench = try withDump()
    bench.board.setClock(to: 4_000_000)
    bench.board.send(bench.frame(.who, sequence: 1))
    let frames = bench.waitForHost()
    #expect(started(frames) == .hostFellSilent)
    #expect((9.0..<9.1).contains(seconds(bench)))
    // Once heard, nobody is greeted any more.
    #expect(frames.filter { $0.is(.hello) }.count <= 2)
  }

  @Test func `a host that never ends is cut off after 60 s`() throws {
    let bench = try withDump()
    bench.board.setClockStep(.zero)
    var frames: [BoardFrame] = []
    while bench.agent?.phase == .agent, seconds(bench) < 100 {
      frames += bench.ask(.who)
      bench.board.advance(by: .seconds(1))
    }
    frames += bench.poll()
    #expect(started(frames) == .timeLimit)
    #expect((60...62).contains(seconds(bench)))
  }

  @Test func `HELLO comes every 500 ms until the host speaks`() throws {
    let bench = try withDump()
    bench.board.setClockStep(.zero)
    bench.greet()
    var times: [Double] = bench.hear().isEmpty ? [] : [0]
    for _ in 0..<29 {
      bench.board.advance(by: .milliseconds(100))
      if bench.poll().contains(where: { $0.is(.hello) }) { times.append(seconds(bench)) }
    }
    #expect(times == [0, 0.5, 1.0, 1.5, 2.0, 2.5])
    bench.ask(.who)
    for _ in 0..<20 {
      bench.board.advance(by: .milliseconds(100))
      #expect(bench.poll().isEmpty)
    }
  }

  @Test func `a clock that goes back starts the application rather than none`() throws {
    let bench = try withDump()
    bench.board.send(bench.frame(.who, sequence: 1))
    bench.board.injectClockJump(by: .seconds(-1), atRead: 40)
    bench.waitForHost()
    #expect(bench.agent?.phase == .application)
  }

  @Test func `the watchdog is fed while the agent waits`() throws {
    let bench = try withDump()
    bench.board.run { _ = halWatchdogStart(timeoutMilliseconds: 1000, warningMilliseconds: 0) }
    bench.waitForHost()
    #expect(bench.board.state == .running && bench.board.counters.bites == 0)
  }

  @Test func `console text passes through in both phases`() throws {
    let bench = try withDump()
    bench.board.send(Array("help\r\n".utf8) + bench.frame(.go, sequence: 1))
    bench.waitForHost()
    bench.board.send(Array("status\r\n".utf8))
    bench.poll()
    #expect(bench.console == Array("help\r\nstatus\r\n".utf8))
    bench.board.run {
      let text = Array("hello\r\n".utf8)
      text.withUnsafeBufferPointer { bench.agent?.write($0) }
    }
    _ = bench.hear()
    #expect(bench.boardText == Array("hello\r\n".utf8))
  }
}
