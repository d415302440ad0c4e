// A client of a Unix socket that does as it likes: sends bytes, reads bytes, or nothing at all.

import Foundation
import MartletTestKit

@testable import HostBridge

/// Blocks its thread: use it inside ``onThread(_:)``.
final class RawClient {
  private let descriptor: CInt

  init?(_ path: String) {
    guard let address = sockaddr_un(path: path) else { return nil }
    descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    let descriptor = descriptor
    guard address.call({ connect(descriptor, $0, $1) }) == 0 else { return nil }
  }

  deinit { close(descriptor) }

  /// Returns whether the other side took it all.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// The next bytes; none when the other side has closed.
  func receive(atMost limit: Int = 1 << 16) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      count = max(0, recv(descriptor, buffer.baseAddress, limit, 0))
    }
  }

  /// Everything until the other side closes.
  func receiveAll() -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let bytes = receive()
      if bytes.isEmpty { return all }
      all += bytes
    }
  }

  /// Asks for a path and returns status and body.
  static func get(_ path: String, of socket: String) async throws -> (status: Int, body: String) {
    try await onThread {
      guard let client = RawClient(socket) else {
        throw ProcessFailure(.missing, "nobody listens on \(socket)")
      }
      client.send("GET \(path) HTTP/1.1\r\nHost: martlet\r\n\r\n")
      let answer = String(decoding: client.receiveAll(), as: UTF8.self)
      let status = answer.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      return (status, answer.range(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) } ?? "")
    }
  }
}
