// The seam above libusb: all that the line needs of a USB host, and nothing of how it is done.

/// A USB host. ``LibUSBBus`` is the real one.
protocol USBBus: Sendable {
  /// Everything that is attached now. Blocks while descriptors are read.
  func devices() throws(SerialLinkError) -> [USBDevice]

  /// Opens a device that ``devices()`` named. Blocks for as long as the system takes.
  ///
  /// - Throws: ``SerialLinkError``; `notThere` when it was pulled out in the meantime.
  func open(_ device: USBDevice) throws(SerialLinkError) -> any USBHandle

  /// Who uses an interface, without disturbing it.
  func holder(of interface: Int, on device: USBDevice) -> USBHolder

  /// Yields whenever something was attached, from the call on. Never yields, and does not end, where
  /// the system does not say.
  func arrivals() -> AsyncStream<Void>

  /// What is open now, for tests and diagnosis.
  var usage: USBUsage { get }
}

/// Who uses an interface.
enum USBHolder: Hashable, Sendable {
  case nobody
  /// A driver of the system, and the serial port that it makes of it, if any; it gives way.
  case driver(String, port: String?)
  /// A program that uses it as this one would.
  case program
}

/// Things that are to be given back.
struct USBUsage: Hashable, Sendable {
  var openHandles = 0
  var transfersInFlight = 0
}

/// An open device. Its calls may be made from any thread.
protocol USBHandle: AnyObject, Sendable {
  /// Takes an interface, from the system's driver if that has it. Blocks.
  func claim(_ interface: Int, alternate: Int) throws(SerialLinkError)

  /// Puts a transfer at the end of its endpoint's queue.
  ///
  /// - Parameter done: called once whatever becomes of the transfer, on a thread of the bus, never
  ///   from within this call. It must not block.
  /// - Throws: ``SerialLinkError`` when the transfer could not be started; then `done` is not called.
  @discardableResult
  func submit(
    _ request: USBRequest, done: @escaping @Sendable (USBOutcome) -> Void
  ) throws(SerialLinkError) -> any USBTransfer

  /// Lets an endpoint go on that stopped with a stall. Nothing may be in flight on it. Blocks.
  func clearHalt(_ endpoint: UInt8) throws(SerialLinkError)

  /// Waits for what is in flight, gives interfaces and drivers back, and closes.
  func close() async
}

extension USBHandle {
  /// ``clearHalt(_:)`` off the threads that serve tasks. Returns why the endpoint does not go on.
  func clearHaltInBackground(_ endpoint: UInt8) async -> SerialLinkError? {
    do throws(SerialLinkError) {
      try await Blocking.run { () throws(SerialLinkError) in try self.clearHalt(endpoint) }
      return nil
    } catch {
      return error
    }
  }
}

/// A transfer in flight.
protocol USBTransfer: Sendable {
  /// Asks for its end; `done` is called as always, and not from within this call.
  func cancel()
}

/// What to transfer.
enum USBRequest: Hashable, Sendable {
  /// - length: a multiple of the endpoint's packet size, lest the device sends more than fits.
  case input(endpoint: UInt8, length: Int)
  case output(endpoint: UInt8, [UInt8])
  case control(USBControl)
}

/// A request to the device itself, with data to it or without (USB 2.0, 9.3).
struct USBControl: Hashable, Sendable {
  /// bmRequestType; 0x40 to the vendor's device, 0x21 to an interface of a class.
  var type: UInt8
  var request: UInt8
  var value: UInt16
  var index: UInt16
  var data: [UInt8] = []
}

/// What became of a transfer.
struct USBOutcome: Sendable {
  enum Status: Sendable {
    case completed
    case cancelled
    /// The endpoint is halted, or the device does not know the request.
    case stalled
    /// The device was pulled out.
    case gone
    case timedOut
    /// Any other failure, among them more data than fits.
    case failed
  }

  var status: Status
  /// What arrived, even when the transfer failed later.
  var bytes: [UInt8] = []
  /// Bytes that were sent.
  var sent = 0
}
