// A second SIGTERM or SIGINT ends the program at once.

import Foundation
import UnixSignals

/// Whoever asks twice does not want to wait: what is not acknowledged by then is sent again.
/// - Returns: only when its task is cancelled.
func endAtSecondSignal() async {
  var isSecond = false
  for await received in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
    if isSecond {
      signal(received.rawValue, SIG_DFL)
      kill(getpid(), received.rawValue)
    }
    isSecond = true
  }
}
