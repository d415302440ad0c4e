// Asks a running bridge, over its socket.

import AsyncHTTPClient
import Foundation
import NIOCore

/// A client of the bridge's socket.
public struct StatusClient: Sendable {
  /// The longest answer that is read, bytes: a status with a few hundred boards is far shorter.
  private static let largestAnswer = 16 << 20

  /// Tries to connect once: a socket of this machine is there or is not.
  private static let pool: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(3)
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  private let socket: String

  /// - Parameter socket: the path of the bridge's socket.
  public init(socket: String) { self.socket = socket }

  /// The bridge that answers first, of those at `sockets`.
  ///
  /// - Throws: ``HostBridgeError`` with code `noBridge` when none answers, `statusUnreadable` when
  ///   what one answers is no status.
  public static func status(
    ofFirstAt sockets: [String]
  ) async throws(HostBridgeError) -> BridgeStatus {
    var failures: [HostBridgeError] = []
    for socket in sockets {
      do throws(HostBridgeError) {
        return try await StatusClient(socket: socket).status()
      } catch {
        guard error.code == .noBridge else { throw error }
        failures.append(error)
      }
    }
    // A bridge that is there but may not be asked is the better clue.
    throw failures.first { $0.message.contains("may not") } ?? failures.first
      ?? HostBridgeError(code: .noBridge, message: "no bridge answers")
  }

  /// What the bridge says of itself.
  public func status() async throws(HostBridgeError) -> BridgeStatus {
    let body = try await get(StatusAPI.status)
    do {
      return try BridgeStatus(json: Data(body.readableBytesView))
    } catch {
      throw HostBridgeError(
        code: .statusUnreadable, message: "what answers on \(socket) is no bridge of this version",
        remedy: "Start the bridge again after an update; martlet-bridge --version tells its own.")
    }
  }

  private func get(_ path: String) async throws(HostBridgeError) -> ByteBuffer {
    // AsyncHTTPClient's own form: the socket's path, percent-encoded, in place of a host.
    guard let url = URL(httpURLWithSocketPath: socket, uri: path) else {
      throw HostBridgeError(code: .noBridge, message: "'\(socket)' is not the path of a socket")
    }
    do {
      var request = HTTPClientRequest(url: url.absoluteString)
      request.headers.add(name: "Accept", value: "application/json")
      let response = try await Self.pool.execute(request, timeout: .seconds(15))
      let body = try await response.body.collect(upTo: Self.largestAnswer)
      guard response.status == .ok else {
        throw HostBridgeError(
          code: .statusUnreadable, message: "\(socket) answered \(response.status)")
      }
      return body
    } catch let error as HostBridgeError {
      throw error
    } catch {
      throw noBridge(error)
    }
  }

  private func noBridge(_ error: any Error) -> HostBridgeError {
    let number = (error as? IOError)?.errnoCode
    if number == EACCES || number == EPERM || access(socket, F_OK) != 0 && errno == EACCES {
      return HostBridgeError(
        code: .noBridge, message: "a bridge of another user may not be asked: \(socket)",
        remedy: "Ask as that user or as root: sudo martlet-bridge status.")
    }
    let words =
      number.map { String(cString: strerror($0)) }
      ?? (access(socket, F_OK) == 0 ? "no answer: \(error)" : "No such file or directory")
    return HostBridgeError(
      code: .noBridge, message: "no bridge answers on \(socket): \(words)",
      remedy: "Start one with martlet-bridge run --board <address>, or as a service with "
        + "systemctl start martlet-bridge; if it has another socket, name it with --socket.")
  }
}
