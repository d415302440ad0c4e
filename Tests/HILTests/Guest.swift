// The machine that the bridge runs on: Debian's kernel in QEMU, with a USB host, obeying line by line.

import Foundation
import MartletBenchKit
import MartletTestKit
import Synchronization

/// A booted guest (scripts/hil, scripts/hil-init).
///
/// The calls block their thread.
final class Guest: Sendable {
  /// Where logs of the run are kept.
  let logs: URL
  /// Events of the bridges that run in it.
  let events: EventLog
  private let qemu: ProcessChild
  private let monitor: QMPClient
  private let control: LineSocket
  private let talk = Mutex(Talk())

  /// What was said on the control line and not taken yet.
  private struct Talk {
    var number = 0
    var rest: [UInt8] = []
  }

  /// Boots.
  ///
  /// - Parameters:
  ///   - kit: the folder with `vmlinuz` and `initramfs`.
  ///   - folder: for sockets.
  /// - Throws: ``ProcessFailure`` when something is missing, or the guest does not come up.
  init(kit: URL, in folder: TemporaryDirectory, logs: URL) throws {
    self.logs = logs
    for part in ["vmlinuz", "initramfs"] {
      let file = kit.appendingPathComponent(part)
      guard FileManager.default.fileExists(atPath: file.path) else {
        throw ProcessFailure(
          .missing, "the bench has no \(file.path)",
          remedy: "Run `make hil`, or scripts/hil alone to prepare it")
      }
    }
    let program = try QEMUBoard.find("qemu-system-x86_64", package: "qemu-system-x86")
    let listeners = try ["monitor", "control", "events"].map {
      try LineSocket(listeningAt: folder.file($0).path)
    }
    qemu = try ProcessChild(program, Self.arguments(kit: kit, folder: folder, logs: logs))
    let lines: [LineSocket]
    do {
      lines = try listeners.map { try $0.accept(within: .seconds(20)) }
    } catch {
      throw ProcessFailure(.cannotStart, "the guest did not start: \(qemu.errors)")
    }
    let hint = "Logs of guest, bridge and boards are in \(logs.path)"
    monitor = try QMPClient(lines[0])
    control = lines[1]
    let eventLine = lines[2]
    events = EventLog(hint: hint) { eventLine.read() }
    do throws(ProcessFailure) {
      _ = try answer(0, within: .seconds(120))
    } catch {
      throw ProcessFailure(error.code, "the guest did not boot: \(error.message)", remedy: hint)
    }
  }

  private static func arguments(kit: URL, folder: TemporaryDirectory, logs: URL) -> [String] {
    func port(_ name: String, _ backend: String) -> [String] {
      ["-chardev", backend, "-device", "virtserialport,chardev=\(name),name=\(name)"]
    }
    return [
      // No hardware help, so that it runs the same in a container; the processor has all that the
      // emulator knows, because the bridge was built for this machine.
      "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "768", "-nodefaults", "-display", "none",
      "-no-reboot",
      "-kernel", kit.appendingPathComponent("vmlinuz").path,
      "-initrd", kit.appendingPathComponent("initramfs").path,
      "-append", "console=ttyS0 quiet panic=1 mitigations=off",
      "-chardev", "file,id=console,path=\(logs.path)/guest.log", "-serial", "chardev:console",
      "-chardev", "socket,id=monitor,path=\(folder.path)/monitor",
      "-mon", "chardev=monitor,mode=control",
      "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
      "-device", "qemu-xhci,id=usb", "-device", "virtio-serial-pci",
    ] + port("control", "socket,id=control,path=\(folder.path)/control")
      + port(
        "events",
        "socket,id=events,path=\(folder.path)/events,logfile=\(logs.path)/events.jsonl")
      + port("log", "file,id=log,path=\(logs.path)/bridge.log")
  }

  func close() { qemu.kill() }

  // MARK: - Its shell

  /// Runs a command in the guest's shell and waits for its end.
  ///
  /// - Returns: what it printed.
  /// - Throws: ``ProcessFailure`` with that when its status is not 0.
  @discardableResult
  func run(_ command: String, within limit: Duration = .seconds(30)) throws(ProcessFailure)
    -> String
  {
    let number = talk.withLock { talk in
      talk.number += 1
      return talk.number
    }
    control.write(Array("\(number) \(command)\n".utf8))
    let (text, status) = try answer(number, within: limit)
    guard status == "0" else {
      throw ProcessFailure(.unexpected, "in the guest: \(command): status \(status)\n\(text)")
    }
    return text
  }

  /// Waits for the answer to one command.
  private func answer(
    _ number: Int, within limit: Duration
  ) throws(ProcessFailure) -> (text: String, status: Substring) {
    let deadline = ContinuousClock.now + limit
    let begin = Array("\(number) begin\n".utf8)
    let end = Array("\n\(number) end ".utf8)
    while true {
      let found: (String, Substring)? = talk.withLock { talk in
        guard let start = talk.rest.firstRange(of: begin),
          let stop = talk.rest[(start.upperBound - 1)...].firstRange(of: end),
          let last = talk.rest[stop.upperBound...].firstIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        let text = talk.rest[start.upperBound..<max(start.upperBound, stop.lowerBound)]
        let status = talk.rest[stop.upperBound..<last]
        defer { talk.rest.removeSubrange(...last) }
        return (String(decoding: text, as: UTF8.self), Substring(decoding: status, as: UTF8.self))
      }
      if let found { return found }
      let left = ContinuousClock.now.duration(to: deadline)
      guard left > .zero, control.waitUntilReadable(within: left) else {
        throw ProcessFailure(
          .tooLate, "command \(number) was not answered within \(limit); its console:\n\(console)")
      }
      let bytes = control.read()
      guard !bytes.isEmpty else {
        throw ProcessFailure(.ended, "the guest ended: \(qemu.errors); its console:\n\(console)")
      }
      talk.withLock { $0.rest += bytes }
    }
  }

  /// The end of what it wrote on its console.
  private var console: String {
    let file = logs.appendingPathComponent("guest.log")
    return String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self).suffix(1000)
      .description
  }

  // MARK: - Its USB sockets

  /// Plugs an FTDI adapter in, whose line ends at a socket.
  ///
  /// - Parameters:
  ///   - serial: the adapter's serial number.
  ///   - path: where somebody listens.
  func plug(_ serial: String, line path: String) throws {
    try tell(
      "chardev-add",
      [
        "id": "line-\(serial)",
        "backend": [
          "type": "socket",
          "data": [
            "addr": ["type": "unix", "data": ["path": path] as [String: any Sendable]]
              as [String: any Sendable], "server": false,
          ] as [String: any Sendable],
        ] as [String: any Sendable],
      ])
    try tell(
      "device_add",
      [
        "driver": "usb-serial", "id": "board-\(serial)", "chardev": "line-\(serial)",
        "serial": serial, "bus": "usb.0", "always-plugged": true,
      ])
  }

  /// Pulls it out. The other end of its line is closed already.
  ///
  /// QEMU 7.2 crashes when something arrives for an adapter that is on its way out.
  func unplug(_ serial: String) throws {
    _ = try poll(for: "end of the line of \(serial)") {
      let lines = try tell("query-chardev", [:])
      let name = lines.first { $0.label == "line-\(serial)" }?.filename
      return name?.hasPrefix("disconnected") == true ? true : nil
    }
    try tell("device_del", ["id": "board-\(serial)"], until: "DEVICE_DELETED")
    try tell("chardev-remove", ["id": "line-\(serial)"])
  }

  @discardableResult
  private func tell(
    _ command: String, _ arguments: [String: any Sendable], until event: String? = nil
  ) throws -> [QMPClient.Message.Thing] {
    do {
      return try monitor.execute(command, arguments, until: event)
    } catch let failure as ProcessFailure where failure.code == .ended {
      let ending = try? qemu.waitForEnd(within: .seconds(5))
      throw ProcessFailure(
        .ended,
        "QEMU ended (\(ending.map { "\($0)" } ?? "not yet")) at \(command): \(qemu.errors)")
    }
  }
}
