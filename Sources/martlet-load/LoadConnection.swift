// One kept HTTP connection of the load: bytes out, status and body back.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What came back for a request.
struct LoadAnswer {
  var status: Int
  var headers: String
  var body: ArraySlice<UInt8>
}

/// A blocking socket: what drives it asks the system first whether there is something to read. As little
/// work as can be, because the service runs on the same cores.
final class LoadConnection {
  let descriptor: Int32
  private var received: [UInt8] = []
  /// When the request that is on its way was due, nanoseconds.
  var due: UInt64 = 0
  /// The number of the request that is on its way; `nil` while there is none.
  var request: Int?

  /// - Throws: ``LoadFailure`` when nobody listens on the port of the loopback address.
  init(port: Int) throws(LoadFailure) {
    #if canImport(Glibc)
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw LoadFailure("cannot connect to port \(port)") }
    var on: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(descriptor) }

  /// Sends all of a request.
  func send(_ bytes: [UInt8]) throws(LoadFailure) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(
          descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent,
          Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw LoadFailure("the service closed a connection") }
      sent += count
    }
  }

  /// Reads what there is.
  /// - Returns: the answer, once it is whole.
  func receive() throws(LoadFailure) -> LoadAnswer? {
    let capacity = 65_536
    let start = received.count
    received.append(contentsOf: repeatElement(0, count: capacity))
    let count = received.withUnsafeMutableBytes {
      recv(descriptor, $0.baseAddress?.advanced(by: start), capacity, 0)
    }
    received.removeLast(capacity - max(0, count))
    guard count > 0 else { throw LoadFailure("the service closed a connection") }
    return take()
  }

  /// Takes a whole answer off what was received.
  private func take() -> LoadAnswer? {
    guard let end = headEnd() else { return nil }
    let head = String(decoding: received[..<end], as: UTF8.self)
    let status = Int(head.dropFirst(9).prefix(3)) ?? 0
    var length = 0
    for line in head.split(separator: "\r\n") {
      let lower = line.lowercased()
      if lower.hasPrefix("content-length:") {
        length = Int(lower.dropFirst(15).trimmingCharacters(in: .whitespaces)) ?? 0
      }
    }
    let bodyStart = end + 4
    guard received.count >= bodyStart + length else { return nil }
    let answer = LoadAnswer(
      status: status, headers: head, body: received[bodyStart..<bodyStart + length])
    received.removeFirst(bodyStart + length)
    return answer
  }

  private func headEnd() -> Int? {
    guard received.count >= 4 else { return nil }
    return received.withUnsafeBytes { bytes in
      var index = 0
      while index + 3 < bytes.count {
        if bytes[index] == 13, bytes[index + 1] == 10, bytes[index + 2] == 13,
          bytes[index + 3] == 10
        {
          return index
        }
        index += 1
      }
      return nil
    }
  }
}

/// Why a load could not be driven.
struct LoadFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}
