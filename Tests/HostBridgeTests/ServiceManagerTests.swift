// What a service manager is told, on a socket as systemd has it.

import Foundation
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct ServiceManagerTests {
  @Test func `the manager hears that the bridge serves, lives and ends`() async throws {
    try await TemporaryDirectory.with { folder in
      let path = folder.file("notify").path
      let manager = try Datagrams(path)
      let clock = ManualClock()
      let told = ServiceManager(
        environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "120000000"],
        clock: BridgeClock(clock), summary: { "1 of 1 board connected" })
      let running = Task { await told.run() }
      #expect(try await manager.next() == "READY=1\nSTATUS=1 of 1 board connected")
      await clock.waitForSleeper()
      clock.advance(by: .seconds(60))
      #expect(try await manager.next() == "WATCHDOG=1\nSTATUS=1 of 1 board connected")
      running.cancel()
      #expect(try await manager.next() == "STOPPING=1")
      await running.value
    }
  }

  @Test func `without a manager nothing is said`() async {
    await ServiceManager(environment: [:], summary: { "" }).run()
  }

  @Test func `a manager that is gone is no trouble`() async {
    let told = ServiceManager(
      environment: ["NOTIFY_SOCKET": "/nonexistent/\(UInt64.random(in: .min ... .max))"],
      clock: BridgeClock(ManualClock()), summary: { "" })
    let running = Task { await told.run() }
    running.cancel()
    await running.value
  }
}

/// A datagram socket that listens.
private final class Datagrams: Sendable {
  private let descriptor: CInt

  init(_ path: String) throws {
    descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
    let address = try #require(sockaddr_un(path: path))
    let descriptor = descriptor
    guard address.call({ bind(descriptor, $0, $1) }) == 0 else {
      throw ProcessFailure(.cannotStart, "cannot bind \(path): \(errno)")
    }
  }

  deinit { close(descriptor) }

  func next() async throws -> String {
    let descriptor = descriptor
    return try await onThread {
      let bytes = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
        count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
