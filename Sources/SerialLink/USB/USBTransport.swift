// Serial adapters on USB, driven by this program itself.

import Logging

/// The transport for ``BoardAddress/usb(_:)``: FTDI's chips and CDC-ACM devices, over libusb.
///
/// While a line is open its port belongs to this program; the system's driver, and with it
/// /dev/ttyUSB0, comes back when the line is closed.
public struct USBTransport: BoardTransport {
  private let bus: any USBBus
  private let log: Logger

  public init(log: Logger = Logger(label: "usb")) { self.init(bus: LibUSBBus(), log: log) }

  init(bus: any USBBus, log: Logger = Logger(label: "usb")) {
    self.bus = bus
    self.log = log
  }

  public func withConnection<Result: Sendable>(
    to address: BoardAddress,
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result {
    guard case .usb(let wanted) = address else {
      throw SerialLinkError(code: .cannotOpen, message: "\(address) is not on USB")
    }
    try Task.checkCancellation()
    var log = log
    log[metadataKey: "board"] = "\(address)"
    let line = try await USBLine.open(wanted, on: bus, log: log)
    let result: Swift.Result<Result, any Error>
    do {
      let value = try await body(
        BoardInbound(USBInbound(reader: line.reader)),
        BoardOutbound { try await line.writer.write($0) })
      result = .success(value)
    } catch {
      result = .failure(error)
    }
    await line.close()
    let usage = bus.usage
    log.debug(
      "closed; \(usage.openHandles) USB handles open, \(usage.transfersInFlight) transfers in flight"
    )
    return try result.get()
  }

  public func arrivals(at address: BoardAddress) -> AsyncStream<Void> { bus.arrivals() }
}

/// What a ``USBReader`` hands on.
private struct USBInbound: AsyncSequence, Sendable {
  let reader: USBReader

  struct Iterator: AsyncIteratorProtocol {
    let reader: USBReader

    func next() async throws -> [UInt8]? { try await reader.next() }

    func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
      try await reader.next()
    }
  }

  func makeAsyncIterator() -> Iterator { Iterator(reader: reader) }
}
