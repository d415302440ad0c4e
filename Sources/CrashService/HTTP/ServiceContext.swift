// What goes with a request on its way through the service.

import Hummingbird
import NIOCore

/// The context of one request: who calls, over which connection.
struct ServiceContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// The connection. Peer address and peer certificate are asked of it.
  let channel: any Channel
  /// Who calls; ``Principal/anonymous`` until ``AccessGate`` let the request pass.
  var principal = Principal.anonymous
  /// What is told of the request when it is over.
  let record = RequestRecord()

  init(source: Source) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }

  /// Names the request in every log line about it.
  var requestID: String { id }
}
