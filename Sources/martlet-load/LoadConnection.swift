// One kept HTTP connection of the load: bytes out, status and body back.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A blocking socket: what drives it asks the system first whether there is something to read.
final class LoadConnection {
  /// Bytes that are read at once.
  private static let capacity = 65_536

  let descriptor: Int32
  private var received: [UInt8] = []
  private let incoming = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
  /// When the request that is on its way was due, nanoseconds.
  var due: UInt64 = 0
  /// When it began to be sent.
  var began: UInt64 = 0
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

  deinit {
    close(descriptor)
    incoming.deallocate()
  }

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

  /// Reads what there is, and waits when there is nothing.
  /// - Returns: the answer, once it is whole.
  func receive() throws(LoadFailure) -> LoadAnswer? {
    let count = recv(descriptor, incoming, Self.capacity, 0)
    guard count > 0 else { throw LoadFailure("the service closed a connection") }
    received.append(contentsOf: UnsafeRawBufferPointer(start: incoming, count: count))
    guard let (answer, length) = LoadAnswer.read(received) else { return nil }
    // Mostly nothing is behind it.
    received = length == received.count ? [] : Array(received[length...])
    return answer
  }

  /// Sends a request and waits for its answer.
  /// - Returns: the answer, and in how many milliseconds it came.
  func ask(_ request: [UInt8]) throws(LoadFailure) -> (answer: LoadAnswer, milliseconds: Double) {
    let start = nanoseconds()
    try send(request)
    while true {
      guard let answer = try receive() else { continue }
      return (answer, Double(nanoseconds() - start) / 1e6)
    }
  }
}

/// Why a load could not be driven.
struct LoadFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}
