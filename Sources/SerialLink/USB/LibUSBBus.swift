// The real USB host: libusb.

import CLibUSB
import Synchronization

/// libusb as a ``USBBus``. It is started when it is first asked for something.
final class LibUSBBus: USBBus {
  private struct State {
    var context: LibUSBContext?
    var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
    var nextListener = 0
  }

  private let state = Mutex(State())
  private let counter = USBUsageCounter()

  var usage: USBUsage { counter.usage }

  func devices() throws(SerialLinkError) -> [USBDevice] { try LibUSBScan.devices() }

  func open(_ device: USBDevice) throws(SerialLinkError) -> any USBHandle {
    // Where udev does not run, a context knows only what was there when it was made.
    for isFresh in [false, true] {
      let context = try context(fresh: isFresh)
      if let pointer = try LibUSBScan.open(device, in: context.pointer) {
        return LibUSBHandle(
          pointer, name: "usb:\(device.place)", context: context, counter: counter)
      }
    }
    throw SerialLinkError(usb: LIBUSB_ERROR_NO_DEVICE, verb: "open", what: "usb:\(device.place)")
  }

  func holder(of interface: Int, on device: USBDevice) -> USBHolder {
    SysFS.holder(of: interface, at: device.place) ?? .nobody
  }

  func arrivals() -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.nextListener += 1
      state.listeners[state.nextListener] = continuation
      return state.nextListener
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
    }
    // It is the context that hears. Without one nothing is heard, which the caller expects.
    _ = try? context(fresh: false)
    return stream
  }

  /// - Parameter fresh: make a new one; the old one ends with the last handle that was opened in it.
  private func context(fresh: Bool) throws(SerialLinkError) -> LibUSBContext {
    if !fresh, let context = state.withLock({ $0.context }) { return context }
    let context = try LibUSBContext(onArrival: { [weak self] in self?.announce() })
    state.withLock { $0.context = context }
    return context
  }

  private func announce() {
    let listeners = state.withLock { Array($0.listeners.values) }
    for listener in listeners { listener.yield() }
  }
}

/// Counts what is open, over all handles of a bus.
final class USBUsageCounter: Sendable {
  private let state = Mutex(USBUsage())

  var usage: USBUsage { state.withLock { $0 } }

  func change(handles: Int = 0, transfers: Int = 0) {
    state.withLock {
      $0.openHandles += handles
      $0.transfersInFlight += transfers
    }
  }
}
