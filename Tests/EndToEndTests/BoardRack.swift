// Many boards in one process: the device modules on emulated hardware, each behind a socket of its own.

import BoardHAL
@testable import BootAgent
import DumpFormat
import DumpRing
import Foundation
import LinkProtocol
import MartletBenchKit
import MartletTestKit
import Synchronization

/// Boards that come up with dumps in their rings and serve whoever connects.
///
/// Time on a board is real time. Each board has a thread, as it would have a processor.
final class BoardRack: Sendable {
  /// One board, as the test sees it.
  struct Place: Sendable {
    /// What `martlet-bridge --board` takes.
    var address: String
    /// 128 hex digits.
    var device: String
    /// The dumps it came up with.
    var dumps: Set<DumpKey>
  }

  let places: [Place]
  private let isOver = Atomic(false)

  private static let slotSize: UInt32 = 32 << 10

  /// Powers `count` boards on.
  ///
  /// - Parameters:
  ///   - dumps: how many wait on each board, at most 7.
  ///   - size: bytes of each, at most a slot; its content is noise, as that of a sealed dump.
  ///   - chatter: lines that the first board writes on its console, as fast as the line takes them.
  init(
    _ count: Int, dumps: Int, size: Int, chatter: Int = 0, in folder: TemporaryDirectory
  ) throws {
    var places: [Place] = []
    var boards: [RackBoard] = []
    for number in 1...count {
      let board = try RackBoard(
        seed: UInt64(number), dumps: dumps, size: size,
        path: folder.file("board-\(number).sock").path, chatter: number == 1 ? chatter : 0)
      boards.append(board)
      places.append(board.place)
    }
    self.places = places
    for board in boards {
      Thread.detachNewThread { [self] in
        board.serve { isOver.load(ordering: .relaxed) }
      }
    }
  }

  /// What a board that chatters writes in its line of this number, 1 KiB.
  static func chatterLine(_ number: Int) -> String {
    let head = "line \(number) "
    return head + String(repeating: "~", count: 1022 - head.utf8.count) + "\r\n"
  }

  /// Lets the boards' threads end.
  func close() { isOver.store(true, ordering: .relaxed) }

  /// One board and its end of the line. Its own thread alone uses it once it serves.
  private final class RackBoard: @unchecked Sendable {
    let place: Place
    private let board: EmulatedBoard
    private let listener: LineSocket
    private var agent: BootAgent
    /// Console text still to be written, last line first.
    private var unsaid: [String]

    /// Turns without a pause after something arrived: enough to send all that it can have asked for.
    private static let turnsWithoutPause = 64

    init(seed: UInt64, dumps: Int, size: Int, path: String, chatter: Int) throws {
      unsaid = (0..<chatter).reversed().map { BoardRack.chatterLine($0) }
      board = try EmulatedBoard(EmulatedBoard.Configuration(seed: seed))
      board.setFollowsRealTime(true)
      listener = try LineSocket(listeningAt: path)
      let first = board.run { BootAgent(slotSize: BoardRack.slotSize) }
      var generator = SeededGenerator(seed: seed)
      var kept: Set<DumpKey> = []
      for number in 1...UInt32(dumps) {
        let key = DumpKey(bootCount: number, sequence: 1)
        let dump = Self.dump(key, size: size, &generator)
        guard Self.put(dump, into: first.ring, on: board) else {
          throw ProcessFailure(.unexpected, "the ring of board \(seed) does not take dump \(key)")
        }
        kept.insert(key)
      }
      board.warmReset()
      var booted = board.run { BootAgent(slotSize: BoardRack.slotSize) }
      board.run { booted.greet() }
      agent = booted
      let id = agent.hello.deviceID.bytes
      place = Place(
        address: "unix:\(path)",
        device: id.indices.map { String(format: "%02x", id[$0]) }.joined(), dumps: kept)
    }

    /// A dump of exactly `size` bytes with a fingerprint of its own.
    private static func dump(
      _ key: DumpKey, size: Int, _ generator: inout SeededGenerator
    ) -> [UInt8] {
      func make(_ noise: [UInt8]) -> [UInt8] {
        var builder = DumpBuilder(key: key)
        builder.header.fingerprint = Fingerprint(rawValue: 0xF1 << 32 | UInt64(key.bootCount))
        builder.addMemory(at: 0x2000_0000, role: .interruptedStack, noise)
        return builder.build()
      }
      return make(generator.bytes(size - make([]).count))
    }

    private static func put(_ dump: [UInt8], into ring: DumpRing?, on board: EmulatedBoard) -> Bool
    {
      board.run {
        guard let ring, let slot = ring.makeReady(dumpsPerFingerprint: 3) else { return false }
        return dump.withUnsafeBytes { raw in
          raw.baseAddress.map { ring.store($0, length: UInt32(raw.count), in: slot) } ?? false
        }
      }
    }

    /// Takes one connection after the other until `isOver`.
    func serve(until isOver: () -> Bool) {
      while !isOver() {
        guard let line = try? listener.accept(within: .milliseconds(100)) else { continue }
        guard (try? board.attach(fileDescriptor: line.descriptor)) != nil else { return }
        var busy = Self.turnsWithoutPause
        while !isOver(), !line.hasEnded {
          board.run {
            // A UART would take it however busy the other end is; a socket says when it is full.
            if line.isWritable, var words = unsaid.popLast() { words.withUTF8 { agent.write($0) } }
            agent.step { _ in }
          }
          if !unsaid.isEmpty { continue }
          if busy > 0 {
            busy -= 1
          } else if line.waitUntilReadable(within: .milliseconds(20)) {
            busy = Self.turnsWithoutPause
          }
        }
        board.detach()
      }
    }
  }
}

extension LineSocket {
  /// Whether there is room for some KiB: a Unix socket says so when a quarter of it is free.
  fileprivate var isWritable: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&entry, 1, 1) > 0 && entry.revents & Int16(POLLOUT) != 0
  }

  /// Whether the other end has closed the line.
  fileprivate var hasEnded: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0
  }
}
