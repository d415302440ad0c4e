// What the service manager is told: that the bridge serves, that it lives, that it ends.

import Foundation
import ServiceLifecycle

/// Speaks systemd's notification protocol (sd_notify(3)): one datagram a message, to the socket that
/// `NOTIFY_SOCKET` names. Without one it says nothing.
public struct ServiceManager: Service {
  private let socketPath: String?
  /// How often to say that the bridge lives.
  private let interval: Duration?
  private let clock: BridgeClock
  private let summary: @Sendable () -> String

  /// - Parameter summary: a line for `systemctl status`.
  public init(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    clock: BridgeClock = .system, summary: @escaping @Sendable () -> String
  ) {
    socketPath = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
    // Half of the time after which the manager takes the bridge for dead (sd_watchdog_enabled(3)).
    let pid = environment["WATCHDOG_PID"].flatMap { Int32($0) }
    let isMeant = pid.map { $0 == ProcessInfo.processInfo.processIdentifier } ?? true
    interval = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
      .flatMap { $0 > 0 && isMeant ? .microseconds($0 / 2) : nil }
    self.clock = clock
    self.summary = summary
  }

  /// Says that the bridge serves, then from time to time that it lives, at the end that it ends.
  public func run() async {
    guard socketPath != nil else { return }
    tell("READY=1\nSTATUS=\(summary())")
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        try? await clock.sleep(until: clock.now + (interval ?? .seconds(60)))
        if !Task.isCancelled { tell("WATCHDOG=1\nSTATUS=\(summary())") }
      }
    }
    tell("STOPPING=1")
  }

  private func tell(_ message: String) {
    guard let socketPath, var address = sockaddr_un(path: socketPath) else { return }
    // A name that begins with @ is in the abstract namespace: a zero in its place (unix(7)).
    if socketPath.hasPrefix("@") { address.sun_path.0 = 0 }
    let length = MemoryLayout<sa_family_t>.size + socketPath.utf8.count
    let descriptor = socket(AF_UNIX, Self.datagram, 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let bytes = Array(message.utf8)
    // A manager that does not listen is no reason to stop.
    _ = address.call(length: length) {
      sendto(descriptor, bytes, bytes.count, Self.flags, $0, $1)
    }
  }

  #if canImport(Glibc)
    private static let datagram = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    private static let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
  #else
    private static let datagram = SOCK_DGRAM
    private static let flags = MSG_DONTWAIT
  #endif
}
