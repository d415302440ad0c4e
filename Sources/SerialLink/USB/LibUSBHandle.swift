// An open device and its transfers, as libusb has them.

import CLibUSB
import Synchronization

/// A libusb device handle. It keeps its context, and is closed only when no transfer is left.
final class LibUSBHandle: USBHandle {
  private struct State {
    /// Takes transfers.
    var isOpen = true
    /// libusb's handle is given back.
    var isClosed = false
    var claimed: [Int] = []
    var transfers: [ObjectIdentifier: LibUSBTransfer] = [:]
    /// Resumed when the last transfer is done.
    var drained: [CheckedContinuation<Void, Never>] = []
  }

  /// Only handed to libusb, which locks it itself.
  nonisolated(unsafe) private let pointer: OpaquePointer
  private let name: String
  private let context: LibUSBContext
  private let counter: USBUsageCounter
  private let state = Mutex(State())

  init(_ pointer: OpaquePointer, name: String, context: LibUSBContext, counter: USBUsageCounter) {
    self.pointer = pointer
    self.name = name
    self.context = context
    self.counter = counter
    counter.change(handles: 1)
    // The driver that a claim takes away comes back with the release. Not every system has drivers
    // that can be taken away; then the claim says what is the matter.
    LibUSB.attempt { libusb_set_auto_detach_kernel_driver(pointer, 1) }
  }

  deinit { closeNow() }

  func claim(_ interface: Int, alternate: Int) throws(SerialLinkError) {
    try LibUSB.call("claim interface \(interface) of", name) {
      libusb_claim_interface(pointer, CInt(interface))
    }
    state.withLock { $0.claimed.append(interface) }
    do throws(SerialLinkError) {
      // Also when it is in use: the system then starts the interface's endpoints afresh. A program
      // that was killed may have left requests in their queues that never end.
      try LibUSB.call("choose a setting of interface \(interface) of", name) {
        libusb_set_interface_alt_setting(pointer, CInt(interface), CInt(alternate))
      }
    } catch  where alternate == 0 {
      // A device need not know the request for a setting that it has anyway (USB 2.0, 9.4.10).
    }
  }

  func submit(
    _ request: USBRequest, done: @escaping @Sendable (USBOutcome) -> Void
  ) throws(SerialLinkError) -> any USBTransfer {
    let transfer = LibUSBTransfer { transfer, outcome in
      self.forget(transfer)
      done(outcome)
    }
    // Known before it can be done.
    let isOpen = state.withLock { state in
      if state.isOpen { state.transfers[ObjectIdentifier(transfer)] = transfer }
      return state.isOpen
    }
    guard isOpen else {
      throw SerialLinkError(usb: LIBUSB_ERROR_NO_DEVICE, verb: "use", what: name)
    }
    counter.change(transfers: 1)
    do throws(SerialLinkError) {
      try transfer.start(request, on: pointer, name: name)
    } catch {
      forget(transfer)
      throw error
    }
    return transfer
  }

  private func forget(_ transfer: LibUSBTransfer) {
    counter.change(transfers: -1)
    let drained = state.withLock { state in
      state.transfers[ObjectIdentifier(transfer)] = nil
      guard state.transfers.isEmpty else { return [CheckedContinuation<Void, Never>]() }
      defer { state.drained = [] }
      return state.drained
    }
    for waiter in drained { waiter.resume() }
  }

  func clearHalt(_ endpoint: UInt8) throws(SerialLinkError) {
    try LibUSB.call("restart endpoint \(endpoint) of", name) {
      libusb_clear_halt(pointer, endpoint)
    }
  }

  func close() async {
    await withCheckedContinuation { drained in
      let (left, isDrained) = state.withLock { state in
        state.isOpen = false
        if !state.transfers.isEmpty { state.drained.append(drained) }
        return (Array(state.transfers.values), state.transfers.isEmpty)
      }
      if isDrained { drained.resume() }
      for transfer in left { transfer.cancel() }
    }
    await Blocking.run { self.closeNow() }
  }

  /// Nothing is in flight: whoever is in flight holds this handle.
  private func closeNow() {
    let claimed = state.withLock { state -> [Int]? in
      guard !state.isClosed else { return nil }
      state.isOpen = false
      state.isClosed = true
      return state.claimed
    }
    guard let claimed else { return }
    for interface in claimed.reversed() {
      LibUSB.attempt { libusb_release_interface(pointer, CInt(interface)) }
    }
    libusb_close(pointer)
    counter.change(handles: -1)
  }
}
