// `martlet-bridge run`: serves boards until it is told to stop.

import ArgumentParser
import Foundation
import HostBridge
import Logging
import SerialLink
import ServiceLifecycle

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve one or more boards until interrupted.",
    discussion: """
      For every board the bridge fetches a lease from the service (the product owner's consent), \
      takes the crash dumps that wait on the board, keeps them in a folder until the service has \
      stored them, and shows the board's console. The board releases a dump only when it is safe \
      in that folder.

      A board's address is one of
        unix:/tmp/board.sock            a Unix socket, such as an emulator's serial port
        tcp:localhost:4321              a TCP port
        tty:/dev/ttyUSB0?baud=115200    a serial port (115200 baud unless told)
        usb:A10K2Z9X                    a USB adapter by its serial number
        usb:A10K2Z9X/B?baud=3000000     its second channel, at another speed
        usb:1-2.4                       the USB adapter on bus 1, port 2, port 4 of the hub there
        usb:                            the only USB adapter that is attached
      'martlet-bridge devices' lists the adapters that are attached, with their addresses. The \
      bridge waits for a board that is not there yet, and connects again when it is plugged in again.

      Examples:
        martlet-bridge run --board tty:/dev/ttyUSB0 --console
        martlet-bridge run --board unix:/tmp/a.sock --board unix:/tmp/b.sock --events bridge.jsonl
        martlet-bridge run --board tcp:lab-7:4321 --service https://crashes.example.org

      The bridge's own messages go to standard error. Interrupt (Ctrl-C) or terminate it at any \
      time: what was acknowledged is safe, the rest is fetched again.
      """)

  @Option(
    name: .long,
    help: ArgumentHelp("Where a board is; repeat it for more boards.", valueName: "address"))
  var board: [String] = []

  @OptionGroup var serviceOptions: ServiceOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where dumps rest until the service has them. (default: ~/.local/state/martlet/spool)",
      valueName: "folder"))
  var spool: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Most MiB of dumps to keep; beyond it surplus and old ones give way to new ones.",
      valueName: "MiB"))
  var spoolLimit = 256

  @Option(
    name: .long,
    help: ArgumentHelp("Most days to keep a dump that cannot be uploaded.", valueName: "days"))
  var spoolAge = 29

  @Flag(
    name: .long,
    help: "Show the boards' consoles on standard output; lines typed here go to the first board.")
  var console = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Keep the boards' consoles in this folder, each line with its time; 32 MiB of each board.",
      valueName: "folder"))
  var consoleLog: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Append events to this file, one JSON object a line; - for standard output.",
      valueName: "file"))
  var events: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How often to renew a board's lease, which is how soon a change of consent is noticed.",
      valueName: "seconds"))
  var leaseInterval = 30.0

  @Flag(
    name: .long,
    help: ArgumentHelp(
      "Start a board's application only when the service has its dumps.",
      discussion: """
        A board is told to start its application as soon as its dumps are safe in the spool folder. \
        With this, it is told when the service has stored them or does not want them, and at the \
        latest 5 s after the last byte of the last one.
        """))
  var waitForUpload = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      """
      Where martlet-bridge status finds this bridge, or none. (default: martlet/bridge.sock below \
      $XDG_RUNTIME_DIR or ~/.local/state)
      """,
      valueName: "path"))
  var statusSocket: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Serve Prometheus metrics on this port of 127.0.0.1. (default: not served)",
      valueName: "port"))
  var metricsPort: Int?

  @Option(name: .long, help: "Least severe messages shown: debug, info, warning or error.")
  var logLevel: Logger.Level = .info

  func validate() throws {
    if board.isEmpty {
      throw ValidationError(
        "Which board? 'martlet-bridge devices' lists those on USB; "
          + "add --board usb:A10K2Z9X or --board tty:/dev/ttyUSB0, for example.")
    }
    if !(leaseInterval >= 0.05 && leaseInterval <= 86_400) {
      throw ValidationError("--lease-interval takes seconds from 0.05 to 86400.")
    }
    if !(1...1_048_576 ~= spoolLimit) {
      throw ValidationError("--spool-limit takes MiB from 1 to 1048576.")
    }
    if !(1...29 ~= spoolAge) {
      throw ValidationError("--spool-age takes days from 1 to 29.")
    }
    if let metricsPort, !(0...65_535 ~= metricsPort) {
      throw ValidationError("--metrics-port takes a port from 1 to 65535, or 0 for any free one.")
    }
    if console, events == "-" {
      throw ValidationError(
        "--console and --events - both want standard output; write the events to a file.")
    }
  }

  func run() async throws {
    let level = logLevel
    LoggingSystem.bootstrap { PlainLog(label: $0, level: level) }
    let addresses = try board.map { try BoardAddress(parsing: $0) }
    guard Set(addresses).count == addresses.count else {
      throw ValidationError("A board is named twice.")
    }
    let watch = Watch(service: serviceOptions.service, boards: addresses.map(\.description))
    let sink = watch.sink(after: try EventFile.sink(events))
    let limits = SpoolLimits(bytes: spoolLimit << 20, age: .seconds(86_400 * spoolAge))
    let store = try Spool(folder: spool ?? StateFolder.spool(), limits: limits, events: sink)
    let client = ObservedServiceClient(try serviceOptions.client(), observer: watch.observer)
    let uploader = Uploader(
      spool: store, service: client, log: Logger(label: "uploader"), events: sink)
    let parts = BridgeParts(spool: store, service: client, uploader: uploader, events: sink)
    let settings = ConversationSettings(
      pollInterval: .seconds(leaseInterval), waitForUpload: waitForUpload ? .seconds(5) : nil)
    let consoles = try consoleLog.map { folder throws(HostBridgeError) in
      try ConsoleLog(folder: folder) { words in sink(BridgeEvent(.warning).with { $0.text = words })
      }
    }
    let sessions = addresses.map { address in
      let name = addresses.count > 1 ? address : nil
      let terminal = console ? ConsoleOutput.sink(for: name) : nil
      let output: ConsoleSink = { text in
        consoles?.write(text, of: "\(address)")
        terminal?(text)
      }
      return BoardSession(address: address, parts: parts, settings: settings, console: output)
    }
    if console, let first = sessions.first { ConsoleInput.start(into: first) }

    let keeper = SpoolKeeper(spool: store, uploader: uploader)
    let consent = ConsentKeeper(spool: store, service: client, events: sink)
    let bridge = Bridge(
      sessions: sessions, uploader: uploader, keeper: keeper, consent: consent)
    let reporter = StatusReporter(
      board: watch.board, spool: store, sessions: sessions, uploader: uploader, consoleLog: consoles
    )
    let servers = try await watch.servers(
      socket: statusSocket ?? StatusSocketPlace.chosen(), metricsPort: metricsPort, reporter)
    var quiet = Logger(label: "bridge")
    quiet.logLevel = .warning
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: bridge)]
          + [.init(service: watch.serviceManager, successTerminationBehavior: .ignore)]
          // A server that fails is no reason to stop serving boards.
          + servers.map {
            .init(
              service: $0, successTerminationBehavior: .ignore,
              failureTerminationBehavior: .ignore)
          },
        gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
    try await group.run()
    await consoles?.flush(within: .seconds(5))
    if console { await ConsoleOutput.flush() }
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
