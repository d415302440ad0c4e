// `martlet-service run`: listens until it is told to stop.

import ArgumentParser
import CrashService
import Foundation
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Listens for bridges and operators until SIGTERM or SIGINT.",
    discussion: """
      Prints on standard output when connections are accepted:
        martlet-service: listening on https://127.0.0.1:8730
        martlet-service: clients trust it with --ca service-data/tls/ca.pem
      Logs go to standard error and never hold memory of a dump. When it is told to end, /readyz says so \
      first, then it takes no more connections and finishes what it accepted; a second signal ends it \
      at once.

      Whatever is secret in the data folder is encrypted under a master key: 32 bytes in base64, \
      from --master-key-file or from the environment variable MARTLET_MASTER_KEY. When neither is \
      given, it is in ${XDG_CONFIG_HOME:-~/.config}/martlet/service-master.key, which is made at \
      the first start. Keep a copy of it apart from those of the data folder: without the key \
      nobody can read the dumps, with both everybody can.

      Whoever calls needs a token (martlet-service token create --help) or, a bridge, a certificate \
      (martlet-service certificate create --help). Callers reach the service over TLS, with a \
      certificate of an authority that the first start makes in the data folder, or with one of yours.

      Examples:
        martlet-service run --data ./service-data
        martlet-service run --data ./service-data --port 0 --port-file ./port --http
        martlet-service run --data ./service-data --host 0.0.0.0 --tls-certificate crashes.pem \
          --tls-key crashes.key
        (umask 077; martlet-service new-master-key > master.key)
        martlet-service run --data ./service-data --master-key-file master.key
      """)

  @Option(
    help: "The folder that holds everything the service keeps. Made when it is missing.",
    completion: .directory)
  var data: String

  @Option(
    help: ArgumentHelp(
      "A file with options, JSON or YAML by its name; keys are the names of options. Variables named "
        + "MARTLET_SERVICE_LOG_LEVEL and so on win over it, and the command line over both."),
    completion: .file())
  var config: String?

  @Flag(help: "Print each option with its value and where it comes from, and end.")
  var printConfig = false

  @OptionGroup var masterKeyOptions: MasterKeyOptions

  @Option(
    help: ArgumentHelp(
      "How many dumps of one fingerprint a device group has enough with, in 29 days; 0 for no "
        + "limit. Those beyond are counted."))
  var dumpsPerGroup = ServiceLimits().dumpsPerGroup

  @Option(
    help: "How many dumps of one fingerprint a device keeps, 1 to 255; 0 leaves it to the device.")
  var dumpsPerDevice = ServiceLimits().dumpsPerDevice

  @OptionGroup var transportOptions: TransportOptions

  @OptionGroup var limitOptions: LimitOptions

  @OptionGroup var shutdownOptions: ShutdownOptions

  @Option(
    help: "The least severe log line: trace, debug, info, notice, warning, error or critical.")
  var logLevel = Logger.Level.notice

  @Option(help: "How log lines are written: text for people, or json for programs.")
  var logFormat = LogFormat.text

  func validate() throws {
    guard dumpsPerGroup >= 0 else {
      throw ValidationError("--dumps-per-group is a number from 0 on, not \(dumpsPerGroup).")
    }
  }

  func run() async throws {
    // What the service writes is for its own user alone.
    umask(0o077)
    LoggingSystem.bootstrap { [logFormat] _ in LineLogHandler(logFormat) }
    var logger = Logger(label: "martlet-service")
    logger.logLevel = logLevel
    do {
      try await serve(logger: logger)
    } catch {
      FileHandle.standardError.write(Data("martlet-service: \(words(error))\n".utf8))
      throw ExitCode.failure
    }
  }

  private func serve(logger: Logger) async throws {
    let dataFolder = URL(fileURLWithPath: data)
    let found = try masterKeyOptions.source(dataFolder: dataFolder).find()
    if found.isNew {
      logger.warning(
        "made a new master key: keep a copy, without it nobody can read the dumps",
        metadata: ["place": "\(found.place)"])
    } else {
      logger.notice("master key found", metadata: ["place": "\(found.place)"])
    }
    let service = try await CrashService(
      dataFolder: dataFolder, storage: .chosen(), masterKey: found.key, rates: limitOptions.rates,
      limits: ServiceLimits(dumpsPerGroup: dumpsPerGroup, dumpsPerDevice: dumpsPerDevice),
      logger: logger)
    let options = transportOptions
    let (transport, authority) = try options.transport(
      dataFolder: dataFolder, masterKey: found.key, logger: logger)
    let application = service.application(
      host: options.host, port: options.port, transport: transport, limits: limitOptions.transport
    ) { port in options.announce(port: port, authority: authority, logger: logger) }
    let second = Task { await endAtSecondSignal() }
    defer { second.cancel() }
    try await ServiceGroup(configuration: shutdownOptions.group(application, service, logger)).run()
    try await service.close()
  }

  private func words(_ error: any Error) -> String {
    switch error {
    case let error as ServiceStartFailure: error.description
    case let error as IOError: listenFailure(errno: error.errnoCode).description
    case let error as SocketAddressError:
      "Cannot listen on \(transportOptions.host): \(error). Choose an address of this machine with --host."
    default: "\(error)"
    }
  }

  private func listenFailure(errno code: Int32) -> ServiceStartFailure {
    let (host, port) = (transportOptions.host, transportOptions.port)
    return switch code {
    case EADDRINUSE:
      ServiceStartFailure(
        code: .addressInUse, message: "Port \(port) on \(host) is in use",
        remedy: "Stop what listens there (ss -ltnp shows it), or choose another port with --port")
    case EACCES:
      ServiceStartFailure(
        code: .addressNotUsable, message: "This user may not listen on port \(port)",
        remedy: "Choose a port above 1023 with --port")
    default:
      ServiceStartFailure(
        code: .addressNotUsable,
        message: "Cannot listen on \(host):\(port): \(String(cString: strerror(code)))",
        remedy: "Choose an address of this machine with --host and a free port with --port")
    }
  }
}

extension LogFormat: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}
