// How much of the service its callers may take.

import ArgumentParser
import CrashService

struct LimitOptions: ParsableArguments {
  @Option(help: "Connections at most, in all.")
  var connections = TransportLimits().connections

  @Option(help: "Connections at most from one address.")
  var connectionsPerAddress = TransportLimits().connectionsPerAddress

  @Option(
    help: "Requests a second at most with one token or certificate, over ten seconds; 0: no limit.")
  var requestsPerLogin = RateLimits().requestsPerLogin

  @Option(help: "Requests a second at most from one address, over ten seconds; 0: no limit.")
  var requestsPerAddress = RateLimits().requestsPerAddress

  @Option(
    help: "Failed logins a second at most from one address, over ten seconds; 0: no limit.")
  var failedLoginsPerAddress = RateLimits().failedLoginsPerAddress

  func validate() throws {
    guard connections > 0, connectionsPerAddress > 0 else {
      throw ValidationError("--connections and --connections-per-address are numbers from 1 on.")
    }
    guard requestsPerLogin >= 0, requestsPerAddress >= 0, failedLoginsPerAddress >= 0 else {
      throw ValidationError("Rates are numbers from 0 on.")
    }
  }

  var transport: TransportLimits {
    var limits = TransportLimits()
    limits.connections = connections
    limits.connectionsPerAddress = connectionsPerAddress
    return limits
  }

  var rates: RateLimits {
    RateLimits(
      requestsPerLogin: requestsPerLogin, requestsPerAddress: requestsPerAddress,
      failedLoginsPerAddress: failedLoginsPerAddress)
  }
}
