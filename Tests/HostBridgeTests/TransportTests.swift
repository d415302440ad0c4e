// One test body over lines of every kind: a Unix socket, a TCP port, a pseudo-terminal, USB.

import Foundation
import MartletTestKit
import NIOCore
import NIOPosix
import Testing

@testable import HostBridge
@testable import SerialLink

/// Every kind of line. The first three are the system's own; USB is ``FakeUSBBus``.
enum LineKind: CaseIterable, Sendable {
  case unix, tcp, tty, usb
}

@Suite(.timeLimit(.minutes(5))) struct TransportTests {
  @Test(arguments: LineKind.allCases)
  func `bytes of every value pass both ways in order`(kind: LineKind) async throws {
    try await FarEnd.with(kind) { far, address in
      let noise = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
      let echoed = try await far.transport.withConnection(to: address) { inbound, outbound in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await outbound.write(noise) }
          var received: [UInt8] = []
          for try await chunk in inbound {
            received += chunk
            if received.count >= noise.count { break }
          }
          try await group.waitForAll()
          return received
        }
      }
      #expect(echoed == noise)
    }
  }

  @Test(arguments: LineKind.allCases)
  func `the end of the other side ends the line`(kind: LineKind) async throws {
    try await FarEnd.with(kind) { far, address in
      let isOver = try await far.transport.withConnection(to: address) { inbound, outbound in
        try await outbound.write([1])
        do {
          for try await _ in inbound { await far.close() }
        } catch {
          // A terminal whose other side is gone, and a USB device, fail rather than end.
        }
        return true
      }
      #expect(isOver)
    }
  }

  @Test(arguments: LineKind.allCases)
  func `cancelling closes the line, and it can be opened again`(kind: LineKind) async throws {
    try await FarEnd.with(kind) { far, address in
      let (opened, isOpen) = AsyncStream.makeStream(of: Void.self)
      let task = Task {
        try await far.transport.withConnection(to: address) { inbound, outbound in
          isOpen.yield()
          for try await _ in inbound {}
          try Task.checkCancellation()
        }
      }
      for await _ in opened { break }
      task.cancel()
      await #expect(throws: (any Error).self) { try await task.value }
      if kind == .tty || kind == .usb {
        // The port is free again: a second opening would find it taken otherwise.
        try await far.transport.withConnection(to: address) { _, outbound in
          try await outbound.write([1])
        }
      }
    }
  }

  @Test(arguments: [
    "unix:/tmp/martlet-nobody.sock", "tcp:127.0.0.1:1", "tty:/dev/martlet-nobody", "usb:nobody",
  ])
  func `a line that is not there is told apart from one that fails`(text: String) async throws {
    let address = try BoardAddress(parsing: text)
    let lines = BoardLines(usb: USBTransport(bus: FakeUSBBus()))
    let error = await #expect(throws: SerialLinkError.self) {
      try await lines.withConnection(to: address) { _, _ in }
    }
    #expect(error?.code == .notThere)
  }

  @Test(arguments: [LineKind.tty, .usb])
  func `a serial port is opened by one program at a time`(kind: LineKind) async throws {
    try await FarEnd.with(kind) { far, address in
      let error = try await far.transport.withConnection(to: address) { _, _ in
        await #expect(throws: SerialLinkError.self) {
          try await far.transport.withConnection(to: address) { _, _ in }
        }
      }
      #expect(error?.code == .busy)
    }
  }
}

@Suite struct BoardAddressTests {
  @Test(arguments: [
    ("unix:/tmp/a.sock", BoardAddress.unix(path: "/tmp/a.sock")),
    ("tcp:localhost:4321", .tcp(host: "localhost", port: 4321)),
    ("tcp:[::1]:4321", .tcp(host: "::1", port: 4321)),
    ("tty:/dev/ttyUSB0", .tty(path: "/dev/ttyUSB0", baud: 115_200)),
    ("tty:/dev/ttyUSB0?baud=9600", .tty(path: "/dev/ttyUSB0", baud: 9_600)),
    ("/dev/null", .tty(path: "/dev/null", baud: 115_200)),
  ])
  func `an address is read and written`(text: String, address: BoardAddress) throws {
    #expect(try BoardAddress(parsing: text) == address)
    #expect(try BoardAddress(parsing: "\(address)") == address)
  }

  @Test(arguments: [
    "", "board", "unix:", "tcp:", "tcp:host", "tcp::1", "tcp:host:0", "tcp:host:65536",
    "tcp:::1:80", "tty:", "tty:/dev/x?speed=9600", "tty:/dev/x?baud=12345", "/etc/passwd", "/nope",
    "unix:/" + String(repeating: "a", count: 120),
  ])
  func `what is no address says what to write`(text: String) {
    let error = #expect(throws: SerialLinkError.self) { try BoardAddress(parsing: text) }
    #expect(error?.code == .invalidAddress)
    #expect(error?.remedy.isEmpty == false)
  }

  @Test func `a bare path to a socket is a Unix socket`() async throws {
    try await FarEnd.with(.unix) { _, address async throws in
      guard case .unix(let path) = address else { return }
      #expect(try BoardAddress(parsing: path) == address)
    }
  }
}

/// The board's end of a real line: it sends back what comes, unless it has another answer.
actor FarEnd {
  private typealias Socket = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private enum End {
    case server(NIOAsyncChannel<Socket, Never>)
    case terminal(Socket)
    case adapter(FakeAdapter, FakeUSBBus)
  }

  /// What opens the line.
  nonisolated let transport: any BoardTransport
  private let end: End
  private var answer: @Sendable ([UInt8]) -> [UInt8] = { $0 }
  private var channel: (any Channel)?

  /// Kept open: a terminal that nobody has open hangs up.
  private let held: CInt?

  private init(
    _ end: End, transport: any BoardTransport = LineTransport(), holding held: CInt? = nil
  ) {
    self.transport = transport
    self.end = end
    self.held = held
  }

  deinit { held.map { _ = Foundation.close($0) } }

  /// Opens a line of a kind, runs `body` with its address and closes it.
  static func with(
    _ kind: LineKind, answer: (@Sendable ([UInt8]) -> [UInt8])? = nil,
    _ body: @Sendable (FarEnd, BoardAddress) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.with { folder in
      let (far, address) = try await open(kind, folder)
      if let answer { await far.answer(with: answer) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await far.serve() }
        try await body(far, address)
        group.cancelAll()
      }
    }
  }

  private static func open(
    _ kind: LineKind, _ folder: TemporaryDirectory
  ) async throws -> (FarEnd, BoardAddress) {
    let server = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    switch kind {
    case .unix:
      let path = folder.path + "/board.sock"
      let channel = try await server.bind(unixDomainSocketPath: path, childChannelInitializer: wrap)
      return (FarEnd(.server(channel)), .unix(path: path))
    case .tcp:
      let channel = try await server.bind(host: "127.0.0.1", port: 0, childChannelInitializer: wrap)
      let port = channel.channel.localAddress?.port ?? 0
      return (FarEnd(.server(channel)), .tcp(host: "127.0.0.1", port: port))
    case .tty:
      var near: CInt = 0
      var far: CInt = 0
      var name = [CChar](repeating: 0, count: 128)
      guard openpty(&far, &near, &name, nil, nil) == 0 else { throw POSIXError(.ENODEV) }
      // Until the transport sets raw mode, a terminal would echo what this end says.
      var settings = termios()
      tcgetattr(near, &settings)
      cfmakeraw(&settings)
      tcsetattr(near, TCSANOW, &settings)
      let channel = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .takingOwnershipOfDescriptor(inputOutput: far, channelInitializer: wrap)
      let path = String(
        decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return (FarEnd(.terminal(channel), holding: near), .tty(path: path, baud: 115_200))
    case .usb:
      let bus = FakeUSBBus()
      let adapter = FakeAdapter(.ftdi())
      bus.attach(adapter)
      return (
        FarEnd(.adapter(adapter, bus), transport: USBTransport(bus: bus)), .usb(USBAddress(.only))
      )
    }
  }

  @Sendable
  private static func wrap(_ channel: any Channel) -> EventLoopFuture<Socket> {
    channel.eventLoop.makeCompletedFuture { try Socket(wrappingChannelSynchronously: channel) }
  }

  private func answer(with answer: @escaping @Sendable ([UInt8]) -> [UInt8]) {
    self.answer = answer
    if case .adapter(let adapter, _) = end { adapter.set { $0.answer = answer } }
  }

  /// Takes the connections, one after the other.
  private func serve() async throws {
    switch end {
    case .adapter: break
    case .terminal(let socket): try await hold(socket)
    case .server(let server):
      try await server.executeThenClose { sockets in
        for try await socket in sockets { try await hold(socket) }
      }
    }
  }

  private func hold(_ socket: Socket) async throws {
    channel = socket.channel
    try await socket.executeThenClose { inbound, outbound in
      for try await bytes in inbound {
        let answered = answer(Array(bytes.readableBytesView))
        if !answered.isEmpty { try await outbound.write(ByteBuffer(bytes: answered)) }
      }
    }
  }

  func close() async {
    if case .adapter(let adapter, let bus) = end { bus.detach(adapter) }
    try? await channel?.close()
  }
}
