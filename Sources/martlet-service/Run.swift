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
      Prints one line on standard output when connections are accepted:
        martlet-service: listening on http://127.0.0.1:8730
      Logs go to standard error and never hold memory of a dump.

      Whatever is secret in the data folder is encrypted under a master key: 32 bytes in base64, \
      from --master-key-file or from the environment variable MARTLET_MASTER_KEY. When neither is \
      given, it is in ${XDG_CONFIG_HOME:-~/.config}/martlet/service-master.key, which is made at \
      the first start. Keep a copy of it apart from those of the data folder: without the key \
      nobody can read the dumps, with both everybody can.

      Examples:
        martlet-service run --data ./service-data
        martlet-service run --data ./service-data --port 0 --port-file ./port
        (umask 077; martlet-service new-master-key > master.key)
        martlet-service run --data ./service-data --master-key-file master.key
      """)

  @Option(
    help: "The folder that holds everything the service keeps. Made when it is missing.",
    completion: .directory)
  var data: String

  @Option(
    help: ArgumentHelp(
      "A file with the master key in base64, outside of the data folder and not readable by other "
        + "users. (default: $MARTLET_MASTER_KEY, ${XDG_CONFIG_HOME:-~/.config}/martlet/"
        + "service-master.key)"),
    completion: .file())
  var masterKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "How many dumps of one fingerprint a device group has enough with, in 29 days; 0 for no "
        + "limit. Those beyond are counted."))
  var dumpsPerGroup = ServiceLimits().dumpsPerGroup

  @Option(
    help: "How many dumps of one fingerprint a device keeps, 1 to 255; 0 leaves it to the device.")
  var dumpsPerDevice = ServiceLimits().dumpsPerDevice

  @Option(help: "The address to listen on. The service has no log-in yet: keep it on loopback.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 lets the system choose.")
  var port = 8730

  @Option(help: "A file that gets the port once the service listens, for scripts.")
  var portFile: String?

  @Option(
    help: "The least severe log line: trace, debug, info, notice, warning, error or critical.")
  var logLevel = Logger.Level.notice

  @Option(help: "How log lines are written: text for people, or json for programs.")
  var logFormat = LogFormat.text

  func validate() throws {
    guard (0...65535).contains(port) else {
      throw ValidationError("--port is a number from 0 to 65535, not \(port).")
    }
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
    let found = try MasterKeySource(
      file: masterKeyFile.map { URL(fileURLWithPath: $0) }, dataFolder: dataFolder
    ).find()
    if found.isNew {
      logger.warning(
        "made a new master key: keep a copy, without it nobody can read the dumps",
        metadata: ["place": "\(found.place)"])
    } else {
      logger.notice("master key found", metadata: ["place": "\(found.place)"])
    }
    let service = try await CrashService(
      dataFolder: dataFolder, masterKey: found.key,
      limits: ServiceLimits(dumpsPerGroup: dumpsPerGroup, dumpsPerDevice: dumpsPerDevice),
      logger: logger)
    let portFile = portFile.map { URL(fileURLWithPath: $0) }
    let host = host
    let application = service.application(host: host, port: port) { port in
      announce(host: host, port: port, portFile: portFile, logger: logger)
    }
    var group = ServiceGroupConfiguration(
      services: [application, RetentionSweep(service)],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    // A caller that never finishes its request does not hold up the end. Whatever is not
    // acknowledged by then is sent again.
    group.maximumGracefulShutdownDuration = .seconds(5)
    try await ServiceGroup(configuration: group).run()
  }

  private func words(_ error: any Error) -> String {
    switch error {
    case let error as ServiceStartFailure: error.description
    case let error as IOError: listenFailure(errno: error.errnoCode).description
    case let error as SocketAddressError:
      "Cannot listen on \(host): \(error). Choose an address of this machine with --host."
    default: "\(error)"
    }
  }

  private func listenFailure(errno code: Int32) -> ServiceStartFailure {
    switch code {
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

/// Tells scripts and people that connections are accepted.
private func announce(host: String, port: Int, portFile: URL?, logger: Logger) {
  if let portFile {
    do {
      try Data("\(port)\n".utf8).write(to: portFile, options: .atomic)
    } catch {
      logger.error(
        "cannot write the port file",
        metadata: ["file": "\(portFile.path)", "reason": "\(error.localizedDescription)"])
    }
  }
  let address = host.contains(":") ? "[\(host)]" : host
  FileHandle.standardOutput.write(
    Data("martlet-service: listening on http://\(address):\(port)\n".utf8))
}

extension LogFormat: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}
