// A bench in a folder: a desk with service and bridge, and one board in QEMU on its line.

import Foundation
import MartletBenchKit
import MartletTestKit
import ServiceAPI

/// A ``Desk`` with one board in QEMU, and a proxy on the line between board and bridge.
final class Stand: Desk, @unchecked Sendable {
  let board: QEMUBoard
  let proxy: LineProxy

  /// Powers the board on. Service and bridge are started by ``startService(data:port:)`` and
  /// ``startBridge(_:)``.
  override private init(in folder: TemporaryDirectory, access: Access) throws {
    board = try QEMUBoard(firmware: try Programs.firmware(), in: folder)
    let listener = try LineSocket(listeningAt: folder.file("board.sock").path)
    try board.start(connectingTo: folder.file("board.sock").path)
    proxy = try LineProxy(
      board: try listener.accept(within: .seconds(20)),
      listeningAt: folder.file("bridge.sock").path)
    try super.init(in: folder, access: access)
  }

  /// Makes a stand for the length of `body`; afterwards nothing of it is left.
  static func with<Result: Sendable>(
    access: Access = .plaintext, _ body: @escaping @Sendable (Stand) throws -> Result
  ) async throws -> Result {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let stand = try Stand(in: folder, access: access)
        defer { stand.close() }
        return try body(stand)
      }
    }
  }

  override func close() {
    super.close()
    board.kill()
    proxy.close()
  }

  /// Starts the bridge on the board's line.
  func startBridge(_ more: [String] = []) throws {
    try startBridge(at: [proxy.address], more)
  }

  /// Makes catalog, product and device group, gives the board its identity, and claims it into the
  /// group. No bridge may run.
  ///
  /// - Returns: the device's id.
  @discardableResult
  func claimBoard() throws -> String {
    try makeGroup()
    let device = try provision(proxy.address)
    try claim([device])
    return device
  }
}
