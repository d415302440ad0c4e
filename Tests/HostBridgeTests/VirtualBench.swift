// The genuine boot agent and the genuine conversation on one line, in virtual time.

import BoardHAL
import DumpFormat
import DumpRing
import MartletTestKit

@testable import BootAgent
@testable import HostBridge

/// An emulated board with the boot agent on it, a ``PacedLink``, and a ``VirtualBridge`` at its end.
final class VirtualBench {
  let board: EmulatedBoard
  let link: PacedLink
  let bridge: VirtualBridge
  let slotSize: UInt32
  private var agent: BootAgent?

  /// - Parameters:
  ///   - slots: of the ring; the smallest flash that holds them.
  ///   - isProvisioned: whether the board has an identity that trusts the bridge's authority.
  init(
    _ settings: PacedLink.Settings = PacedLink.Settings(), slotSize: UInt32 = 32 << 10,
    slots: UInt32 = 16, conversation: ConversationSettings = ConversationSettings(),
    isProvisioned: Bool = true
  ) throws {
    var configuration = EmulatedBoard.Configuration(seed: settings.seed)
    let state: UInt32 = 5 * 4096
    configuration.flash = FlashGeometry(
      size: state + slots * slotSize, sectorSize: 4096, pageSize: 256, ringOffset: state,
      ringSize: slots * slotSize, stateOffset: 0, stateSize: state)
    board = try EmulatedBoard(configuration)
    link = PacedLink(board: board, settings: settings)
    bridge = VirtualBridge(link: link, settings: conversation)
    self.slotSize = slotSize
    link.host = bridge
    guard !isProvisioned || board.provision(by: bridge.authority) else {
      throw Failure(words: "the board takes no identity")
    }
  }

  /// Puts dumps into the ring as crashes would have.
  func hold(_ dumps: [[UInt8]]) throws {
    let table = UnsafeMutableRawPointer.allocate(byteCount: DumpRing.tableSize, alignment: 8)
    defer { table.deallocate() }
    let isHeld = board.run {
      guard
        let ring = DumpRing(geometry: halFlashGeometry(), slotSize: slotSize, table: table)
      else { return false }
      for dump in dumps {
        let isStored = dump.withUnsafeBytes { bytes in
          guard let slot = ring.makeReady(dumpsPerFingerprint: .max), let start = bytes.baseAddress
          else { return false }
          return ring.store(start, length: UInt32(bytes.count), in: slot)
        }
        guard isStored else { return false }
      }
      return true
    }
    guard isHeld else { throw Failure(words: "the ring does not take the dumps") }
  }

  struct Failure: Error { var words: String }

  /// Starts the board, from any state.
  func boot() {
    if !board.restart() { board.warmReset(cause: .software) }
    link.restarted()
    agent = link.run { BootAgent(slotSize: slotSize) }
  }

  /// Lets the agent wait for the host as an application's `main` does.
  func waitForHost() { link.run { agent?.waitForHost { _ in } } }

  /// Runs the application, which polls the agent, until `isDone` holds or `limit` has passed.
  func runApplication(
    for limit: Duration = .seconds(60), until isDone: (VirtualBench) -> Bool
  ) {
    let end = link.now + limit
    while board.state == .running, link.now < end, !isDone(self) {
      link.run { agent?.poll { _ in } }
    }
  }

  /// Starts the board as often as it resets, and runs agent and application, until no dump waits on it.
  ///
  /// - Returns: whether that came to be within `limit`.
  func serve(for limit: Duration) -> Bool {
    let end = link.now + limit
    while link.now < end {
      guard board.state == .running else {
        boot()
        waitForHost()
        continue
      }
      link.run { agent?.poll { _ in } }
      if board.state == .running, agent?.hasDumps == false { return true }
    }
    return false
  }
}

extension EmulatedBoard {
  /// Gives a board that is off an identity, as PROVISION does. Returns whether it has one.
  func provision(by authority: LeaseAuthority) -> Bool {
    restart()
    defer { powerCycle() }
    return run {
      authority.signingKeyBytes.withUnsafeBytes { key in
        key.baseAddress.flatMap { StoredIdentity.make(trusting: $0) } != nil
      }
    }
  }
}
