// A USB serial adapter in memory, with a board at its end that sends back what comes.

import Dispatch
import Synchronization

@testable import SerialLink

/// One adapter. Transfers end on its own queue, never within the call that starts or cancels them.
final class FakeAdapter: Sendable {
  /// What a test may see or change, between transfers.
  struct Manners {
    /// Whether the board answers what it gets.
    var echoes = true
    /// What it answers: the same again unless told.
    var answer: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    /// IN transfers that stall, one after the other.
    var inputStalls = 0
    var outputStalls = 0
    /// Bytes that one OUT transfer takes; 0 for none.
    var mostPerWrite = Int.max
    /// Whether OUT transfers wait until this is false again.
    var holdsOutput = false
    /// Whether control requests stay unknown to the device.
    var refusesControl = false
    /// What the chip says of the line with each packet.
    var lineStatus: UInt8 = 0x60
  }

  private struct Pending {
    let id: Int
    let request: USBRequest
    let done: @Sendable (USBOutcome) -> Void
  }

  private struct State {
    var device: USBDevice
    var isThere = false
    var manners = Manners()
    /// From the board, not fetched yet.
    var waiting: [UInt8] = []
    var received: [UInt8] = []
    var controls: [USBControl] = []
    var claimed: Set<Int> = []
    var pending: [Pending] = []
    var nextID = 0
    var halted: Set<UInt8> = []
    var clearedHalts = 0
    /// IN transfers that were started, ever.
    var inputs = 0
  }

  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "fake usb")

  init(_ device: USBDevice) { state = Mutex(State(device: device)) }

  var device: USBDevice { state.withLock { $0.device } }
  var received: [UInt8] { state.withLock { $0.received } }
  var controls: [USBControl] { state.withLock { $0.controls } }
  var claimed: Set<Int> { state.withLock { $0.claimed } }
  var clearedHalts: Int { state.withLock { $0.clearedHalts } }
  var inputs: Int { state.withLock { $0.inputs } }
  /// Bytes that the board sent and nobody fetched.
  var unfetched: Int { state.withLock { $0.waiting.count } }

  /// Changes how the adapter behaves from now on.
  func set(_ change: @escaping @Sendable (inout Manners) -> Void) {
    state.withLock { change(&$0.manners) }
    queue.async { self.serve() }
  }

  /// Lets the board say something.
  func say(_ bytes: [UInt8]) {
    state.withLock { $0.waiting += bytes }
    queue.async { self.serve() }
  }

  /// Returns when the adapter has done all that it can without being told more.
  func settle() async {
    await withCheckedContinuation { done in queue.async { done.resume() } }
  }

  // MARK: - The bus's side

  func plugIn(number: Int) {
    state.withLock {
      $0.isThere = true
      $0.device.number = number
      $0.halted = []
      $0.waiting = []
    }
  }

  func pullOut() {
    state.withLock { $0.isThere = false }
    queue.async { self.serve() }
  }

  func claim(_ interface: Int) throws(SerialLinkError) {
    let isFree = state.withLock { $0.claimed.insert(interface).inserted }
    guard isFree else {
      throw SerialLinkError(code: .busy, message: "cannot claim interface \(interface)")
    }
  }

  func closed(_ interfaces: [Int]) {
    state.withLock { $0.claimed.subtract(interfaces) }
  }

  func submit(
    _ request: USBRequest, done: @escaping @Sendable (USBOutcome) -> Void
  ) throws(SerialLinkError) -> FakeUSBTransfer {
    let id = state.withLock { state -> Int? in
      guard state.isThere else { return nil }
      state.nextID += 1
      state.pending.append(Pending(id: state.nextID, request: request, done: done))
      if case .input = request { state.inputs += 1 }
      return state.nextID
    }
    guard let id else { throw SerialLinkError(usb: .gone, verb: "use", what: "the fake") }
    queue.async { self.serve() }
    return FakeUSBTransfer(id: id, adapter: self)
  }

  func cancel(_ id: Int) {
    queue.async {
      let pending = self.state.withLock { state in
        state.pending.firstIndex { $0.id == id }.map { state.pending.remove(at: $0) }
      }
      pending?.done(USBOutcome(status: .cancelled))
    }
  }

  func clearHalt(_ endpoint: UInt8) throws(SerialLinkError) {
    state.withLock { state in
      state.halted.remove(endpoint)
      state.clearedHalts += 1
    }
  }

  // MARK: - On the queue

  /// Ends every transfer that can end.
  private func serve() {
    while let (pending, outcome) = state.withLock({ Self.next(&$0) }) { pending.done(outcome) }
  }

  private static func next(_ state: inout State) -> (Pending, USBOutcome)? {
    for index in state.pending.indices {
      if let outcome = outcome(of: state.pending[index].request, &state) {
        return (state.pending.remove(at: index), outcome)
      }
    }
    return nil
  }

  private static func outcome(of request: USBRequest, _ state: inout State) -> USBOutcome? {
    guard state.isThere else { return USBOutcome(status: .gone) }
    switch request {
    case .control(let control):
      state.controls.append(control)
      return USBOutcome(status: state.manners.refusesControl ? .stalled : .completed)
    case .output(let endpoint, let bytes):
      if state.halted.contains(endpoint) { return USBOutcome(status: .stalled) }
      if state.manners.outputStalls > 0 {
        state.manners.outputStalls -= 1
        state.halted.insert(endpoint)
        return USBOutcome(status: .stalled)
      }
      guard !state.manners.holdsOutput else { return nil }
      let taken = bytes.prefix(state.manners.mostPerWrite)
      state.received += taken
      if state.manners.echoes { state.waiting += state.manners.answer(Array(taken)) }
      return USBOutcome(status: .completed, sent: taken.count)
    case .input(let endpoint, let length):
      if state.halted.contains(endpoint) { return USBOutcome(status: .stalled) }
      if state.manners.inputStalls > 0 {
        state.manners.inputStalls -= 1
        state.halted.insert(endpoint)
        return USBOutcome(status: .stalled)
      }
      guard !state.waiting.isEmpty else { return nil }
      return USBOutcome(status: .completed, bytes: fetch(length, &state))
    }
  }

  /// What the next IN transfer brings, with the chip's status before each packet's data.
  private static func fetch(_ length: Int, _ state: inout State) -> [UInt8] {
    let packet = state.device.interfaces.first?.bulkPair?.input.packetSize ?? 64
    let status: [UInt8] =
      state.device.vendor == FTDIChip.vendor ? [0x01, state.manners.lineStatus] : []
    var bytes: [UInt8] = []
    while !state.waiting.isEmpty, bytes.count + packet <= length {
      let data = state.waiting.prefix(packet - status.count)
      state.waiting.removeFirst(data.count)
      bytes += status + data
    }
    return bytes
  }
}

extension USBDevice {
  /// An FTDI device with `channels` ports.
  static func ftdi(
    serial: String? = "MRT0001", place: USBPlace = USBPlace(bus: 1, ports: [2]),
    product: UInt16 = 0x6001, release: UInt16 = 0x0600, channels: Int = 1, packetSize: Int = 64,
    name: String? = "FT232R USB UART"
  ) -> USBDevice {
    let interfaces = (0..<channels).map { number in
      USBInterface(
        number: number, alternate: 0, interfaceClass: 0xFF, interfaceSubclass: 0xFF, extra: [],
        endpoints: [
          USBEndpoint(
            address: UInt8(0x81 + 2 * number), attributes: 2, packetSize: packetSize),
          USBEndpoint(address: UInt8(2 + 2 * number), attributes: 2, packetSize: packetSize),
        ])
    }
    return USBDevice(
      place: place, number: 0, vendor: 0x0403, product: product, release: release,
      productName: name, serial: serial, interfaces: interfaces)
  }

  /// A CDC-ACM device whose union descriptor names interface `data`.
  static func cdc(
    serial: String? = "ACM1", place: USBPlace = USBPlace(bus: 1, ports: [3]), data: UInt8 = 1,
    capabilities: UInt8 = 2
  ) -> USBDevice {
    USBDevice(
      place: place, number: 0, vendor: 0x2FE3, product: 0x0100, release: 0x0100,
      productName: "USB console", serial: serial,
      interfaces: [
        USBInterface(
          number: 0, alternate: 0, interfaceClass: 2, interfaceSubclass: 2,
          // Header, ACM, union.
          extra: [5, 0x24, 0, 0x10, 1, 4, 0x24, 2, capabilities, 5, 0x24, 6, 0, data],
          endpoints: [USBEndpoint(address: 0x83, attributes: 3, packetSize: 16)]),
        USBInterface(
          number: Int(data), alternate: 0, interfaceClass: 0x0A, interfaceSubclass: 0, extra: [],
          endpoints: [
            USBEndpoint(address: 0x02, attributes: 2, packetSize: 64),
            USBEndpoint(address: 0x81, attributes: 2, packetSize: 64),
          ]),
      ])
  }
}
