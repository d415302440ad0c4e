// Many boards in one process: the device modules on emulated hardware, each behind a socket of its own.

import BoardHAL
@testable import BootAgent
import CrashCapture
import DumpFormat
import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import Synchronization

/// Boards that serve whoever connects. They come up without identity, lease or dumps; ``Desk/fill(_:dumps:size:)``
/// gives them all three.
///
/// Time on a board is real time. Each board has a thread, as it would have a processor.
final class BoardRack: Sendable {
  /// One board, as the test sees it.
  struct Place: Sendable {
    /// What `martlet-bridge --board` takes.
    var address: String
  }

  let places: [Place]
  private let boards: [RackBoard]
  private let isOver = Atomic(false)

  private static let slotSize: UInt32 = 32 << 10

  /// Powers `count` boards on.
  init(_ count: Int, in folder: TemporaryDirectory) throws {
    boards = try (1...count).map { number in
      try RackBoard(seed: UInt64(number), path: folder.file("board-\(number).sock").path)
    }
    places = boards.map { Place(address: $0.address) }
    for board in boards {
      Thread.detachNewThread { [self] in
        board.serve { isOver.load(ordering: .relaxed) }
      }
    }
  }

  /// Crashes every board so often that so many dumps wait on each. Every board has to have its lease, and
  /// no bridge may be connected.
  ///
  /// - Parameters:
  ///   - dumps: at most 7.
  ///   - size: about the bytes of each dump, at most a slot.
  /// - Returns: the dumps of each board, in the order of ``places``.
  func crash(dumps: Int, size: Int) throws -> [Set<DumpKey>] {
    try boards.map { try $0.crash(dumps, size: size) }
  }

  /// Lets the first board write so many lines on its console, as fast as the line takes them.
  func chatter(_ lines: Int) { boards.first?.chatter(lines) }

  /// What a board that chatters writes in its line of this number, 1 KiB.
  static func chatterLine(_ number: Int) -> String {
    let head = "line \(number) "
    return head + String(repeating: "~", count: 1022 - head.utf8.count) + "\r\n"
  }

  /// Lets the boards' threads end.
  func close() { isOver.store(true, ordering: .relaxed) }

  /// One board and its end of the line. Its lock is held for each turn.
  private final class RackBoard: @unchecked Sendable {
    let address: String
    private let board: EmulatedBoard
    private let listener: LineSocket
    private let lock = NSLock()
    private var agent: BootAgent
    private let firstPC: UInt32
    /// Console text still to be written, last line first.
    private var unsaid: [String] = []

    /// Turns without a pause after something arrived: enough to send all that it can have asked for.
    private static let turnsWithoutPause = 64
    /// Bytes of a dump beside the region that an application registers.
    private static let overhead = 4_608

    init(seed: UInt64, path: String) throws {
      address = "unix:\(path)"
      firstPC = 0x1000 + 128 * UInt32(seed)
      board = try EmulatedBoard(EmulatedBoard.Configuration(seed: seed))
      board.setFollowsRealTime(true)
      listener = try LineSocket(listeningAt: path)
      agent = board.run { BootAgent(slotSize: BoardRack.slotSize) }
    }

    func chatter(_ lines: Int) {
      lock.withLock { unsaid = (0..<lines).reversed().map { BoardRack.chatterLine($0) } }
    }

    func crash(_ dumps: Int, size: Int) throws -> Set<DumpKey> {
      try lock.withLock {
        var keys: Set<DumpKey> = []
        for number in 0..<UInt32(dumps) {
          keys.insert(DumpKey(bootCount: agent.bootCount, sequence: 1))
          let length = UInt32(max(0, size - Self.overhead))
          var generator = SeededGenerator(seed: UInt64(number))
          try board.setMemory(at: 0x2000_1000, to: generator.bytes(Int(length)))
          board.run { _ = CrashCapture.register(address: 0x2000_1000, length: length, id: 1) }
          board.runFault {
            // Each with a fingerprint of its own: of one the service takes ten from a group.
            withUnsafePointer(to: makeFaultContext(pc: firstPC + 16 * number)) {
              martlet_capture_fault($0)
            }
          }
          board.restart()
          agent = board.run { BootAgent(slotSize: BoardRack.slotSize) }
        }
        board.run { agent.greet() }
        guard agent.hasDumps else {
          throw ProcessFailure(.unexpected, "the board at \(address) kept no dump")
        }
        return keys
      }
    }

    /// Takes one connection after the other until `isOver`.
    func serve(until isOver: () -> Bool) {
      while !isOver() {
        guard let line = try? listener.accept(within: .milliseconds(100)) else { continue }
        guard
          (try? lock.withLock { try board.attach(fileDescriptor: line.descriptor) }) != nil
        else { return }
        var busy = Self.turnsWithoutPause
        while !isOver(), !line.hasEnded {
          let isTalking = lock.withLock {
            board.run {
              // A UART would take it however busy the other end is; a socket says when it is full.
              if line.isWritable, var words = unsaid.popLast() {
                words.withUTF8 { agent.write($0) }
              }
              agent.step { _ in }
            }
            return !unsaid.isEmpty
          }
          if isTalking { continue }
          if busy > 0 {
            busy -= 1
          } else if line.waitUntilReadable(within: .milliseconds(20)) {
            busy = Self.turnsWithoutPause
          }
        }
        lock.withLock { board.detach() }
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

extension Desk {
  /// Gives the boards of a rack what boards in the field have: identities, a group with consent, leases,
  /// and dumps that wait. Afterwards the service runs, and no bridge.
  ///
  /// - Returns: each board's device id, with the dumps that wait on it.
  func fill(_ rack: BoardRack, dumps: Int, size: Int) throws -> [(
    device: String, dumps: Set<DumpKey>
  )] {
    try startService()
    try makeGroup()
    let devices = try rack.places.map { try provision($0.address) }
    try claim(devices)
    try setConsent(.enabled)
    let bridge = try startBridge(at: rack.places.map(\.address))
    try bridge.wait(for: "\(devices.count) leases", within: .seconds(120)) { output, _ in
      let granted = BridgeEvent.all(in: output).filter { $0.event == .leaseGranted }
      return Set(granted.map(\.device)).count == devices.count
    }
    killBridge()
    return zip(devices, try rack.crash(dumps: dumps, size: size)).map { ($0, $1) }
  }
}
