// Every kind of line behind one transport.

/// Opens whatever line an address names.
public struct BoardLines: BoardTransport {
  private let system: any BoardTransport
  private let usb: any BoardTransport

  /// - Parameters:
  ///   - system: for sockets and for the system's serial ports.
  ///   - usb: for USB adapters that are driven by this program.
  public init(
    system: any BoardTransport = LineTransport(), usb: any BoardTransport = USBTransport()
  ) {
    self.system = system
    self.usb = usb
  }

  public func withConnection<Result: Sendable>(
    to address: BoardAddress,
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result {
    try await transport(for: address).withConnection(to: address, body)
  }

  public func arrivals(at address: BoardAddress) -> AsyncStream<Void> {
    transport(for: address).arrivals(at: address)
  }

  private func transport(for address: BoardAddress) -> any BoardTransport {
    if case .usb = address { usb } else { system }
  }
}
