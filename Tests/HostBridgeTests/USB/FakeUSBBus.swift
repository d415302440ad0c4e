// A USB host in memory: adapters are plugged in and out, and their boards send back what comes.

import Synchronization
import Testing

@testable import SerialLink

/// A bus whose devices are ``FakeAdapter``s.
final class FakeUSBBus: USBBus {
  private struct State {
    var adapters: [FakeAdapter] = []
    var nextNumber = 1
    var refusals: [USBPlace: SerialLinkError] = [:]
    var holders: [USBPlace: USBHolder] = [:]
    var listeners: [AsyncStream<Void>.Continuation] = []
  }

  private let state = Mutex(State())
  let counter = USBUsageCounter()

  var usage: USBUsage { counter.usage }

  /// Plugs an adapter in; its device gets the bus's next number.
  func attach(_ adapter: FakeAdapter) {
    let listeners = state.withLock { state in
      adapter.plugIn(number: state.nextNumber)
      state.nextNumber += 1
      state.adapters.append(adapter)
      return state.listeners
    }
    for listener in listeners { listener.yield() }
  }

  /// Pulls an adapter out; what is in flight ends.
  func detach(_ adapter: FakeAdapter) {
    state.withLock { $0.adapters.removeAll { $0 === adapter } }
    adapter.pullOut()
  }

  /// Lets the next attempts to open what is at a place fail, or succeed again.
  func refuse(_ place: USBPlace, with error: SerialLinkError?) {
    state.withLock { $0.refusals[place] = error }
  }

  func hold(_ place: USBPlace, by holder: USBHolder) {
    state.withLock { $0.holders[place] = holder }
  }

  /// How many listen for arrivals.
  var listeners: Int { state.withLock { $0.listeners.count } }

  func devices() throws(SerialLinkError) -> [USBDevice] {
    state.withLock { $0.adapters.map(\.device) }
  }

  func open(_ device: USBDevice) throws(SerialLinkError) -> any USBHandle {
    let (adapter, refusal) = state.withLock { state in
      (state.adapters.first { $0.device == device }, state.refusals[device.place])
    }
    if let refusal { throw refusal }
    guard let adapter else {
      throw SerialLinkError(usb: .gone, verb: "open", what: "usb:\(device.place)")
    }
    counter.change(handles: 1)
    return FakeUSBHandle(adapter: adapter, counter: counter)
  }

  func holder(of interface: Int, on device: USBDevice) -> USBHolder {
    state.withLock { $0.holders[device.place] } ?? .nobody
  }

  func arrivals() -> AsyncStream<Void> {
    let (stream, listener) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingNewest(1))
    state.withLock { $0.listeners.append(listener) }
    return stream
  }
}

/// An open ``FakeAdapter``.
final class FakeUSBHandle: USBHandle {
  private let adapter: FakeAdapter
  private let counter: USBUsageCounter
  private let claimed = Mutex<[Int]>([])
  private let inFlight = Atomic(0)

  init(adapter: FakeAdapter, counter: USBUsageCounter) {
    self.adapter = adapter
    self.counter = counter
  }

  func claim(_ interface: Int, alternate: Int) throws(SerialLinkError) {
    try adapter.claim(interface)
    claimed.withLock { $0.append(interface) }
  }

  func submit(
    _ request: USBRequest, done: @escaping @Sendable (USBOutcome) -> Void
  ) throws(SerialLinkError) -> any USBTransfer {
    counter.change(transfers: 1)
    inFlight.add(1, ordering: .sequentiallyConsistent)
    do throws(SerialLinkError) {
      return try adapter.submit(request) { outcome in
        self.ended()
        done(outcome)
      }
    } catch {
      ended()
      throw error
    }
  }

  private func ended() {
    counter.change(transfers: -1)
    inFlight.subtract(1, ordering: .sequentiallyConsistent)
  }

  func clearHalt(_ endpoint: UInt8) throws(SerialLinkError) { try adapter.clearHalt(endpoint) }

  func close() async {
    let left = inFlight.load(ordering: .sequentiallyConsistent)
    if left > 0 { Issue.record("closed with \(left) transfers in flight") }
    adapter.closed(claimed.withLock { $0 })
    counter.change(handles: -1)
  }
}

/// A stalled, cancelled or finished transfer's way back.
struct FakeUSBTransfer: USBTransfer {
  let id: Int
  let adapter: FakeAdapter

  func cancel() { adapter.cancel(id) }
}
