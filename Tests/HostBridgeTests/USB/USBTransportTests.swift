// A USB line from opening to closing: order, pace, stalls, pulled plugs, and nothing left behind.

import Foundation
import MartletTestKit
import Testing

@testable import SerialLink

@Suite(.timeLimit(.minutes(5))) struct USBTransportTests {
  let bus = FakeUSBBus()
  let adapter = FakeAdapter(.ftdi())
  var transport: USBTransport { USBTransport(bus: bus) }
  let address = BoardAddress.usb(USBAddress(.serial("MRT0001")))

  init() { bus.attach(adapter) }

  /// Runs `body` with an open line, and looks that nothing is left of it.
  func withLine<Result: Sendable>(
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result {
    defer {
      #expect(bus.usage == USBUsage())
      #expect(adapter.claimed.isEmpty)
    }
    return try await transport.withConnection(to: address, body)
  }

  static func noise(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
  }

  // MARK: - Opening and closing

  @Test func `an open line holds its interface and gives it back`() async throws {
    try await withLine { _, _ in
      #expect(adapter.claimed == [0])
      #expect(bus.usage == USBUsage(openHandles: 1, transfersInFlight: USBReader.depth))
      #expect(adapter.controls.map(\.request) == [0, 4, 2, 3, 9, 6, 1, 1])
    }
  }

  @Test func `a second line to the same port finds it busy`() async throws {
    try await withLine { _, _ in
      let error = await #expect(throws: SerialLinkError.self) {
        try await transport.withConnection(to: address) { _, _ in }
      }
      #expect(error?.code == .busy)
      #expect(bus.usage.openHandles == 1)
    }
  }

  @Test func `a line that cannot be set up leaves nothing open`() async throws {
    adapter.set { $0.refusesControl = true }
    let error = await #expect(throws: SerialLinkError.self) { try await withLine { _, _ in } }
    #expect(error?.code == .failed)

    adapter.set { $0.refusesControl = false }
    let fast = BoardAddress.usb(USBAddress(.only, settings: USBLineSettings(baud: 12_000_000)))
    await #expect(throws: SerialLinkError.self) {
      try await transport.withConnection(to: fast) { _, _ in }
    }
    #expect(bus.usage == USBUsage())
    #expect(adapter.claimed.isEmpty)
  }

  @Test func `a failure of the body comes out and closes the line`() async throws {
    struct Trouble: Error {}
    await #expect(throws: Trouble.self) { try await withLine { _, _ in throw Trouble() } }
  }

  @Test func `a device that is not permitted says so`() async throws {
    let place = USBPlace(bus: 1, ports: [2])
    bus.refuse(place, with: SerialLinkError(code: .notPermitted, message: "no"))
    let error = await #expect(throws: SerialLinkError.self) { try await withLine { _, _ in } }
    #expect(error?.code == .notPermitted)
  }

  @Test func `a cancelled reader leaves at once and nothing in flight`() async throws {
    let (opened, isOpen) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      try await withLine { inbound, _ in
        isOpen.yield()
        for try await _ in inbound {}
      }
    }
    for await _ in opened { break }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func `a cancelled writer leaves a device that takes nothing`() async throws {
    adapter.set { $0.holdsOutput = true }
    let (written, isWriting) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      try await withLine { _, outbound in
        isWriting.yield()
        try await outbound.write([1, 2, 3])
      }
    }
    for await _ in written { break }
    await adapter.settle()
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(adapter.received.isEmpty)
  }

  // MARK: - Reading

  @Test func `bytes come in order with the chip's status taken out`() async throws {
    let noise = Self.noise(100_000)
    adapter.say(noise)
    let received = try await withLine { inbound, _ in try await Self.read(noise.count, inbound) }
    #expect(received == noise)
  }

  @Test func `a reader that is behind makes the device wait`() async throws {
    let noise = Self.noise(200_000)
    let held = USBReader.depth * USBReader.length
    adapter.set { $0.echoes = false }
    try await withLine { inbound, outbound in
      adapter.say(noise)
      await adapter.settle()
      // Of each packet of 64, two bytes are status.
      #expect(noise.count - adapter.unfetched == held / 64 * 62)
      #expect(adapter.inputs == USBReader.depth)
      #expect(bus.usage.transfersInFlight == 0)
      // Writing goes on meanwhile.
      try await outbound.write([1])
      let received = try await Self.read(noise.count, inbound)
      #expect(received == noise)
    }
  }

  @Test func `an endpoint that stalls once goes on without a loss`() async throws {
    let noise = Self.noise(30_000)
    adapter.set { $0.inputStalls = 1 }
    let received = try await withLine { inbound, _ in
      adapter.say(noise)
      return try await Self.read(noise.count, inbound)
    }
    #expect(received == noise)
    #expect(adapter.clearedHalts == 1)
  }

  @Test func `an endpoint that stalls again at once ends the line`() async throws {
    adapter.set { $0.inputStalls = 2 }
    let error = await #expect(throws: SerialLinkError.self) {
      try await withLine { inbound, _ in for try await _ in inbound {} }
    }
    #expect(error?.code == .failed)
    #expect(error?.message.contains("stall") == true)
    #expect(adapter.clearedHalts == 1)
  }

  // MARK: - Writing

  @Test func `a device that takes a write in parts gets every byte once`() async throws {
    let noise = Self.noise(2_000)
    adapter.set {
      $0.mostPerWrite = 7
      $0.echoes = false
    }
    try await withLine { _, outbound in
      for start in stride(from: 0, to: noise.count, by: 500) {
        try await outbound.write(Array(noise[start..<start + 500]))
      }
    }
    #expect(adapter.received == noise)
  }

  @Test func `writes from several tasks do not mix`() async throws {
    adapter.set {
      $0.mostPerWrite = 5
      $0.echoes = false
    }
    try await withLine { _, outbound in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for value in 0..<20 {
          group.addTask { try await outbound.write([UInt8](repeating: UInt8(value), count: 64)) }
        }
        try await group.waitForAll()
      }
    }
    let received = adapter.received
    try #require(received.count == 20 * 64)
    let runs = stride(from: 0, to: received.count, by: 64).map { Set(received[$0..<$0 + 64]) }
    #expect(runs.allSatisfy { $0.count == 1 })
    #expect(Set(runs).count == 20)
  }

  @Test func `an empty write sends nothing`() async throws {
    try await withLine { _, outbound in try await outbound.write([]) }
    #expect(adapter.received.isEmpty)
  }

  @Test func `a device that takes no byte again and again is given up`() async throws {
    adapter.set { $0.mostPerWrite = 0 }
    let error = await #expect(throws: SerialLinkError.self) {
      try await withLine { _, outbound in try await outbound.write([1]) }
    }
    #expect(error?.code == .failed)
  }

  @Test func `a write that stalls is sent again once`() async throws {
    adapter.set { $0.outputStalls = 1 }
    try await withLine { _, outbound in try await outbound.write([1, 2]) }
    #expect(adapter.received == [1, 2])
    adapter.set { $0.outputStalls = 2 }
    let error = await #expect(throws: SerialLinkError.self) {
      try await withLine { _, outbound in try await outbound.write([3]) }
    }
    #expect(error?.code == .failed)
    #expect(adapter.received == [1, 2])
  }

  // MARK: - Plugs

  @Test func `a plug pulled in the middle ends both ways, after what came before`() async throws {
    adapter.set { $0.holdsOutput = true }
    try await withLine { inbound, outbound in
      adapter.say([1, 2, 3])
      await adapter.settle()
      let writing = Task { try await outbound.write([9]) }
      await adapter.settle()
      bus.detach(adapter)
      var received: [UInt8] = []
      let error = await #expect(throws: SerialLinkError.self) {
        for try await chunk in inbound { received += chunk }
      }
      #expect(received == [1, 2, 3])
      #expect(error?.code == .notThere)
      let unsent = await #expect(throws: SerialLinkError.self) { try await writing.value }
      #expect(unsent?.code == .notThere)
    }
  }

  @Test func `a board plugged in elsewhere is found by its serial number`() async throws {
    bus.detach(adapter)
    let moved = FakeAdapter(.ftdi(place: USBPlace(bus: 2, ports: [1, 4])))
    bus.attach(FakeAdapter(.ftdi(serial: "OTHER")))
    bus.attach(moved)
    try await withLine { inbound, outbound in
      try await outbound.write([5])
      #expect(try await Self.read(1, inbound) == [5])
    }
    #expect(moved.received == [5])
  }

  @Test func `a hundred replugs in the middle of transfers leak nothing`() async throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    for round in 0..<100 {
      let count = Int.random(in: 0...20_000, using: &generator)
      let holds = Bool.random(using: &generator)
      adapter.set { $0.holdsOutput = holds }
      let error = await #expect(throws: SerialLinkError.self, "round \(round), seed \(seed)") {
        try await withLine { inbound, outbound in
          async let writing: Void = outbound.write(Self.noise(count))
          adapter.say([1])
          for try await _ in inbound { bus.detach(adapter) }
          try await writing
        }
      }
      #expect(error?.code == .notThere, "round \(round), seed \(seed)")
      bus.attach(adapter)
    }
    #expect(bus.usage == USBUsage())
  }

  @Test func `an adapter of another standard works the same way`() async throws {
    let modem = FakeAdapter(.cdc())
    bus.attach(modem)
    try await transport.withConnection(to: .usb(USBAddress(.serial("ACM1")))) { inbound, outbound in
      #expect(modem.claimed == [0, 1])
      let noise = Self.noise(10_000)
      async let writing: Void = outbound.write(noise)
      #expect(try await Self.read(noise.count, inbound) == noise)
      try await writing
    }
    #expect(bus.usage == USBUsage())
  }

  static func read(_ count: Int, _ inbound: BoardInbound) async throws -> [UInt8] {
    var received: [UInt8] = []
    for try await chunk in inbound {
      received += chunk
      if received.count >= count { break }
    }
    return received
  }
}
