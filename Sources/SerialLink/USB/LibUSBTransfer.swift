// One libusb transfer from start to callback, with the memory that it needs meanwhile.

import CLibUSB
import Synchronization

/// A transfer. Its libusb structure and its buffer live from ``start(_:on:name:)`` to the callback,
/// which is where both are freed: libusb and the kernel use them until then, cancelled or not.
final class LibUSBTransfer: USBTransfer {
  private typealias Pointer = UnsafeMutablePointer<libusb_transfer>

  /// The structure while it is in flight.
  private let flight = Mutex<UInt?>(nil)
  private let done: @Sendable (LibUSBTransfer, USBOutcome) -> Void

  init(done: @escaping @Sendable (LibUSBTransfer, USBOutcome) -> Void) { self.done = done }

  /// Milliseconds that a device has for a control request; bulk transfers have all the time.
  private static let controlTimeout: UInt32 = 2_000
  private static let controlHeadLength = 8

  func start(
    _ request: USBRequest, on handle: OpaquePointer, name: String
  ) throws(SerialLinkError) {
    guard let pointer = libusb_alloc_transfer(0) else {
      throw SerialLinkError(usb: LIBUSB_ERROR_NO_MEM, verb: "start a transfer with", what: name)
    }
    Self.fill(pointer, with: request, on: handle)
    pointer.pointee.callback = transferEnded
    // Given back by the callback, or below.
    let this = Unmanaged.passRetained(self)
    pointer.pointee.user_data = this.toOpaque()
    flight.withLock { $0 = UInt(bitPattern: pointer) }
    do throws(SerialLinkError) {
      try LibUSB.call("start a transfer with", name) { libusb_submit_transfer(pointer) }
    } catch {
      flight.withLock { $0 = nil }
      Self.free(pointer)
      this.release()
      throw error
    }
  }

  private static func fill(_ pointer: Pointer, with request: USBRequest, on handle: OpaquePointer) {
    pointer.pointee.dev_handle = handle
    let content: [UInt8]
    switch request {
    case .input(let endpoint, let length):
      pointer.pointee.endpoint = endpoint
      content = [UInt8](repeating: 0, count: length)
    case .output(let endpoint, let bytes):
      pointer.pointee.endpoint = endpoint
      content = bytes
    case .control(let control):
      content = head(of: control) + control.data
      pointer.pointee.timeout = controlTimeout
    }
    if case .control = request {
      pointer.pointee.type = UInt8(LIBUSB_TRANSFER_TYPE_CONTROL.rawValue)
    } else {
      pointer.pointee.type = UInt8(LIBUSB_TRANSFER_TYPE_BULK.rawValue)
    }
    let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, content.count))
    buffer.initialize(from: content, count: content.count)
    pointer.pointee.buffer = buffer
    pointer.pointee.length = CInt(content.count)
  }

  /// The setup packet, little-endian (USB 2.0, 9.3).
  private static func head(of control: USBControl) -> [UInt8] {
    [control.type, control.request]
      + [control.value, control.index, UInt16(clamping: control.data.count)].flatMap {
        [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
      }
  }

  private static func free(_ pointer: Pointer) {
    pointer.pointee.buffer.deallocate()
    libusb_free_transfer(pointer)
  }

  func cancel() {
    // Under the lock, so that the callback cannot free it meanwhile. libusb calls back on the event
    // thread only, and without holding its own locks.
    flight.withLock { flight in
      guard let flight, let pointer = Pointer(bitPattern: flight) else { return }
      LibUSB.attempt { libusb_cancel_transfer(pointer) }
    }
  }

  /// On the event thread: takes the result out and frees everything.
  fileprivate func ended(_ pointer: UnsafeMutablePointer<libusb_transfer>) {
    let transfer = pointer.pointee
    var outcome = USBOutcome(status: .init(transfer.status))
    let count = max(0, min(Int(transfer.actual_length), Int(transfer.length)))
    if transfer.endpoint & 0x80 != 0 {
      outcome.bytes = Array(UnsafeBufferPointer(start: transfer.buffer, count: count))
    } else {
      outcome.sent = count
    }
    flight.withLock { $0 = nil }
    Self.free(pointer)
    done(self, outcome)
  }
}

/// Called by libusb on the event thread, once for every transfer that was started.
private func transferEnded(_ pointer: UnsafeMutablePointer<libusb_transfer>?) {
  guard let pointer, let data = pointer.pointee.user_data else { return }
  Unmanaged<LibUSBTransfer>.fromOpaque(data).takeRetainedValue().ended(pointer)
}

extension USBOutcome.Status {
  fileprivate init(_ status: libusb_transfer_status) {
    switch status {
    case LIBUSB_TRANSFER_COMPLETED: self = .completed
    case LIBUSB_TRANSFER_CANCELLED: self = .cancelled
    case LIBUSB_TRANSFER_STALL: self = .stalled
    case LIBUSB_TRANSFER_NO_DEVICE: self = .gone
    case LIBUSB_TRANSFER_TIMED_OUT: self = .timedOut
    default: self = .failed
    }
  }
}
