// The smallest firmware with capture into retained RAM: `make size` measures what that takes.

import Board
import CrashCapture

/// Entered by the board's start-up code.
@main
struct CaptureApp {
  static func main() {
    CrashCapture.prepare(bootCount: 1, component: 0)
    CrashCapture.register(address: 0x4_0000, length: 64, id: 1)
    CrashCapture.crash("captured into retained RAM")
  }
}
