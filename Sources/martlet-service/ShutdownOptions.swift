// How the service ends.

import ArgumentParser
import CrashService
import Logging
import ServiceLifecycle

/// How long the end may take.
struct ShutdownOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Seconds from the first signal, when /readyz begins to answer 503, until connections are refused, for a "
        + "load balancer to notice.",
      valueName: "seconds"))
  var shutdownDelay = 0

  @Option(
    help: ArgumentHelp(
      "Seconds that requests which were accepted have to finish, once connections are refused.",
      valueName: "seconds"))
  var shutdownTimeout = 5

  func validate() throws {
    guard (0...3600).contains(shutdownDelay), (0...3600).contains(shutdownTimeout) else {
      throw ValidationError(
        "--shutdown-delay and --shutdown-timeout are numbers of seconds from 0 to 3600.")
    }
  }

  /// What runs together, until it is told to end.
  func group(_ application: some Service, _ service: CrashService, _ logger: Logger)
    -> ServiceGroupConfiguration
  {
    let notice = ShutdownNotice(service, delay: .seconds(shutdownDelay))
    var group = ServiceGroupConfiguration(
      services: [application, RetentionSweep(service), notice],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    // A caller that never finishes its request does not hold up the end. Whatever is not
    // acknowledged by then is sent again.
    group.maximumGracefulShutdownDuration = .seconds(shutdownDelay + shutdownTimeout)
    return group
  }
}
