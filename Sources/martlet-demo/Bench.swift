// The board on the bench, seen through the bridge.

import Foundation
import Synchronization

/// Types on the board's console and reads the bridge's events.
final class Bench: Sendable {
  private struct Board {
    var device = ""
    var bootCount: UInt32 = 0
  }

  private let console: FileHandle
  private let log: EventLog
  private let story: Story
  private let board = Mutex(Board())

  init(console: FileHandle, log: EventLog, story: Story) {
    self.console = console
    self.log = log
    self.story = story
  }

  /// 128 hex digits.
  var device: String { board.withLock { $0.device } }
  var bootCount: UInt32 { board.withLock { $0.bootCount } }

  /// Takes over who the board is and how often it has started.
  func know(_ hello: BoardEvent) {
    board.withLock {
      $0.device = hello.device ?? $0.device
      $0.bootCount = hello.bootCount ?? $0.bootCount
    }
  }

  /// Types a line on the board's console.
  func type(_ line: String) throws {
    story.progress.say("  board> \(line)")
    do {
      // The empty line ends what a frame that a reset cut in two may have left on the board as text.
      try console.write(contentsOf: Data(("\n" + line + "\n").utf8))
    } catch {
      throw DemoFailure(.ended, "the bridge takes no input: \(error.localizedDescription)")
    }
  }

  /// How many events there are by now.
  func mark() async throws -> Int { try await log.mark() }

  /// Waits for an event.
  ///
  /// - Parameters:
  ///   - what: is waited for, for people.
  ///   - mark: where the news begin.
  /// - Returns: the event, and the mark behind it.
  func event(
    _ what: String, from mark: Int, where condition: @Sendable (BoardEvent) throws -> Bool
  ) async throws -> (event: BoardEvent, mark: Int) {
    try await story.wait(for: what) { try await log.first(from: mark, where: condition) }
  }

  /// Waits until the board has started again after a crash.
  ///
  /// - Returns: its first hello since, and the mark behind it.
  func restart(from mark: Int) async throws -> (hello: BoardEvent, mark: Int) {
    let before = bootCount
    let (hello, next) = try await event("the board's hello after the crash", from: mark) {
      $0.event == "board.hello" && ($0.bootCount ?? 0) > before
    }
    know(hello)
    guard hello.bootCount == before + 1, hello.resetCause == "fault" else {
      throw DemoFailure(
        .unexpected,
        "the board should have started once, by the fault path, but it says boot "
          + "\(hello.bootCount ?? 0) after \(before), started by \(hello.resetCause ?? "unknown")")
    }
    return (hello, next)
  }
}
