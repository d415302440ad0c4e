// QEMU's monitor protocol, as far as plugging and unplugging needs it.

import Foundation
import MartletTestKit
import Synchronization

/// One connection to a QEMU that was started with `-mon mode=control` (docs/interop/qmp-spec of QEMU).
///
/// The calls block their thread.
final class QMPClient: Sendable {
  private let socket: LineSocket
  private let rest = Mutex<[UInt8]>([])
  private static let patience: Duration = .seconds(30)

  /// A message of QEMU: an answer or an event.
  struct Message: Decodable {
    var event: String?
    var error: Failure?
    var id: Int?
    /// What commands that list things answer; empty for all others.
    var things: [Thing]

    private enum CodingKeys: String, CodingKey { case event, error, id, things = "return" }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      event = try container.decodeIfPresent(String.self, forKey: .event)
      error = try container.decodeIfPresent(Failure.self, forKey: .error)
      id = try container.decodeIfPresent(Int.self, forKey: .id)
      things = (try? container.decode([Thing].self, forKey: .things)) ?? []
    }

    /// A character device.
    struct Thing: Decodable {
      var label: String?
      var filename: String?
    }

    struct Failure: Decodable {
      var `class`: String
      var desc: String
    }
  }

  /// Takes over a connection and agrees on the protocol.
  init(_ socket: LineSocket) throws {
    self.socket = socket
    // The greeting first; then QEMU wants to be asked for its capabilities, of which none is needed.
    _ = try next()
    try execute("qmp_capabilities")
  }

  /// Does one command and waits for its answer.
  ///
  /// - Parameter event: an event that must have come, too: before the answer or after it.
  /// - Returns: what it lists.
  /// - Throws: ``ProcessFailure`` with QEMU's words when it refuses.
  @discardableResult
  func execute(
    _ command: String, _ arguments: [String: any Sendable] = [:], until event: String? = nil
  ) throws -> [Message.Thing] {
    let message = try JSONSerialization.data(
      withJSONObject: ["execute": command, "arguments": arguments, "id": 1], options: [.sortedKeys])
    socket.write(Array(message) + Array("\n".utf8))
    var things: [Message.Thing]?
    var hasHappened = event == nil
    while true {
      let message = try next()
      if let error = message.error {
        throw ProcessFailure(.unexpected, "QEMU refuses \(command): \(error.desc)")
      }
      if message.id == 1 { things = message.things }
      if let event, message.event == event { hasHappened = true }
      if hasHappened, let things { return things }
    }
  }

  /// The next message; each is a line.
  private func next() throws -> Message {
    try rest.withLock { rest in
      while true {
        if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          defer { rest.removeSubrange(...end) }
          return try JSONDecoder().decode(Message.self, from: Data(rest[..<end]))
        }
        guard socket.waitUntilReadable(within: Self.patience) else {
          throw ProcessFailure(.tooLate, "QEMU did not answer within \(Self.patience)")
        }
        let bytes = socket.read()
        guard !bytes.isEmpty else { throw ProcessFailure(.ended, "QEMU closed its monitor") }
        rest += bytes
      }
    }
  }
}
