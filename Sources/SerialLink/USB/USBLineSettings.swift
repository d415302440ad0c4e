// How a USB adapter's line is set up.

/// Speed, flow control and latency of a USB serial adapter.
public struct USBLineSettings: Hashable, Sendable {
  /// What tells the other side to wait.
  public enum FlowControl: String, CaseIterable, Hashable, Sendable {
    /// Nothing: both sides take bytes as fast as they come.
    case none
    /// The RTS and CTS wires.
    case rtscts
  }

  /// Bits a second, in ``speeds``. An adapter refuses what it cannot make within 3 %.
  public var baud: Int
  public var flow: FlowControl
  /// Milliseconds that an FTDI chip holds back less than a packet, in ``latencies``. The end of a
  /// frame is never held back (see ``FTDIChip``). Other chips have no such timer.
  public var latency: Int

  /// From the slowest that an FTDI chip makes to the fastest that an FT232H does.
  public static let speeds = 300...12_000_000
  /// What the timer of an FTDI chip can be set to.
  public static let latencies = 1...255
  /// The timer's value after an FTDI chip's reset.
  public static let defaultLatency = 16

  public init(
    baud: Int = BoardAddress.defaultBaud, flow: FlowControl = .none,
    latency: Int = USBLineSettings.defaultLatency
  ) {
    self.baud = baud
    self.flow = flow
    self.latency = latency
  }
}
