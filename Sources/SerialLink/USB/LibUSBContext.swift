// A libusb context with the thread that serves its events.

import CLibUSB
import Foundation
import Synchronization

/// A context whose events are served until nobody holds it any more.
final class LibUSBContext: Sendable {
  private let loop: LibUSBEventLoop

  /// libusb's own pointer, for calls while this object is held. They may come from any thread
  /// (libusb, "Multi-threaded applications and asynchronous I/O").
  var pointer: OpaquePointer { loop.context }

  /// - Parameter onArrival: called on the event thread when something was attached, where the system
  ///   says so.
  init(onArrival: @escaping @Sendable () -> Void) throws(SerialLinkError) {
    var context: OpaquePointer?
    try LibUSB.call("start", "libusb") { libusb_init(&context) }
    guard let context else {
      throw SerialLinkError(usb: LIBUSB_ERROR_OTHER, verb: "start", what: "libusb")
    }
    loop = LibUSBEventLoop(context: context, onArrival: onArrival)
    loop.start()
  }

  deinit { loop.stop() }
}

/// What the event thread holds, apart from the object whose end ends it.
private final class LibUSBEventLoop: Sendable {
  /// Only handed to libusb, which locks it itself.
  nonisolated(unsafe) let context: OpaquePointer
  private let isStopping = Atomic(false)
  private let onArrival: @Sendable () -> Void

  /// libusb sleeps this long at most; ``stop()`` does not wait for it.
  private static let longestSleep = timeval(tv_sec: 60, tv_usec: 0)

  init(context: OpaquePointer, onArrival: @escaping @Sendable () -> Void) {
    self.context = context
    self.onArrival = onArrival
  }

  func start() {
    let thread = Thread { self.run() }
    thread.name = "martlet-usb"
    thread.start()
  }

  /// Ends the thread, which then ends the context.
  func stop() {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    libusb_interrupt_event_handler(context)
  }

  func arrived() { onArrival() }

  private func run() {
    let hotplug = watchArrivals()
    while !isStopping.load(ordering: .sequentiallyConsistent) {
      var timeout = Self.longestSleep
      let served = LibUSB.attempt {
        libusb_handle_events_timeout_completed(context, &timeout, nil)
      }
      // A failure that stays must not take a whole core.
      if served == nil { Thread.sleep(forTimeInterval: 0.01) }
    }
    if let hotplug { libusb_hotplug_deregister_callback(context, hotplug) }
    libusb_exit(context)
  }

  private func watchArrivals() -> libusb_hotplug_callback_handle? {
    guard libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG.rawValue) != 0 else { return nil }
    var handle: libusb_hotplug_callback_handle = 0
    // Deregistered before the thread, and with it this object, ends.
    let this = Unmanaged.passUnretained(self).toOpaque()
    let registered = LibUSB.attempt {
      libusb_hotplug_register_callback(
        context, CInt(LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED.rawValue), 0,
        LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
        somethingArrived, this, &handle)
    }
    return registered == nil ? nil : handle
  }
}

/// Called by libusb on the event thread.
///
/// - Returns: 0, to be called again.
private func somethingArrived(
  _: OpaquePointer?, _: OpaquePointer?, _: libusb_hotplug_event, _ loop: UnsafeMutableRawPointer?
) -> CInt {
  guard let loop else { return 0 }
  Unmanaged<LibUSBEventLoop>.fromOpaque(loop).takeUnretainedValue().arrived()
  return 0
}
