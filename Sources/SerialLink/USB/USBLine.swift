// One open serial port of a USB adapter.

import Logging
import Synchronization

/// A port that is set up and being read.
struct USBLine: Sendable {
  let reader: USBReader
  let writer: USBWriter
  private let handle: any USBHandle

  /// Finds the adapter, takes the port from whatever driver has it, and sets it up.
  ///
  /// - Throws: ``SerialLinkError``.
  static func open(
    _ address: USBAddress, on bus: any USBBus, log: Logger
  ) async throws(SerialLinkError) -> USBLine {
    let (handle, channel) = try await Blocking.run { () throws(SerialLinkError) in
      let (device, channel) = try address.find(in: try bus.devices())
      return (try bus.open(device), channel)
    }
    let name = "\(BoardAddress.usb(address))"
    do throws(SerialLinkError) {
      try await Blocking.run { () throws(SerialLinkError) in
        for interface in channel.interfaces {
          try handle.claim(interface.number, alternate: interface.alternate)
        }
      }
      for request in try channel.chip.setUp(address.settings) {
        let status = await handle.control(request)
        if status == .completed || (status == .stalled && channel.chip.isOptional(request)) {
          continue
        }
        throw SerialLinkError(usb: status, verb: "set up", what: name)
      }
    } catch {
      await handle.close()
      throw error
    }
    let faults = USBFaultLog(log)
    let reader = USBReader(
      handle, endpoint: channel.input.address, name: name, chip: channel.chip,
      report: { faults.note($0) })
    reader.start()
    return USBLine(
      reader: reader, writer: USBWriter(handle, endpoint: channel.output.address, name: name),
      handle: handle)
  }

  /// Ends what is in flight, waits for it, and gives the port back. It does so also in a task that
  /// was cancelled.
  func close() async {
    await writer.close()
    await reader.close()
    await handle.close()
  }
}

extension USBHandle {
  /// Sends a request without an answer and waits for what becomes of it.
  fileprivate func control(_ request: USBControl) async -> USBOutcome.Status {
    await withCheckedContinuation { continuation in
      do throws(SerialLinkError) {
        try submit(.control(request)) { continuation.resume(returning: $0.status) }
      } catch {
        continuation.resume(returning: error.code == .notThere ? .gone : .failed)
      }
    }
  }
}

/// Says once for each line what its chip complains of.
private final class USBFaultLog: Sendable {
  private let log: Logger
  private let known = Mutex(USBLineFaults())

  init(_ log: Logger) { self.log = log }

  func note(_ faults: USBLineFaults) {
    let news = known.withLock { known in
      defer { known.formUnion(faults) }
      return faults.subtracting(known)
    }
    if !news.isEmpty { log.warning("\(news.words)") }
  }
}
