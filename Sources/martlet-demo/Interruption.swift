// Ctrl-C and its like: the demo stops in order.

import Foundation

/// Calls back at SIGINT, SIGTERM or SIGHUP instead of dying.
struct Interruption {
  private let sources: [any DispatchSourceSignal]

  init(_ interrupted: @escaping @Sendable () -> Void) {
    sources = [SIGINT, SIGTERM, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler(handler: interrupted)
      source.resume()
      return source
    }
  }

  /// From here on the signals are ignored: what is left to do is to clean up, in bounded time.
  func end() { for source in sources { source.cancel() } }
}
