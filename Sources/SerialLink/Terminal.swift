// A serial port, opened for this program alone and in raw mode: every byte goes through untouched.

import Foundation

/// The calls that make a serial port out of a path. Every one of them goes through `call`.
enum Terminal {
  /// The line speeds that can be set, in baud.
  static let speeds: [Int: speed_t] = [
    9_600: speed_t(B9600), 19_200: speed_t(B19200), 38_400: speed_t(B38400),
    57_600: speed_t(B57600), 115_200: speed_t(B115200), 230_400: speed_t(B230400),
    460_800: speed_t(B460800), 921_600: speed_t(B921600), 1_000_000: speed_t(B1000000),
    1_500_000: speed_t(B1500000), 2_000_000: speed_t(B2000000), 3_000_000: speed_t(B3000000),
  ]

  /// Opens the port and returns its descriptor, which the caller owns.
  static func open(path: String, baud: Int) throws(SerialLinkError) -> CInt {
    let descriptor = try call("open", path) {
      Foundation.open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    }
    do throws(SerialLinkError) {
      // Two readers of one port would each get half of every frame.
      try call("lock", path) { flock(descriptor, LOCK_EX | LOCK_NB) }
      var settings = termios()
      try call("read the settings of", path) { tcgetattr(descriptor, &settings) }
      cfmakeraw(&settings)
      settings.c_cflag |= tcflag_t(CLOCAL) | tcflag_t(CREAD)
      // With hang-up on close some adapters reset their board whenever the bridge ends.
      settings.c_cflag &= ~(tcflag_t(HUPCL) | tcflag_t(CRTSCTS))
      let speed = speeds[baud] ?? speed_t(B115200)
      try call("set the speed of", path) { cfsetispeed(&settings, speed) }
      try call("set the speed of", path) { cfsetospeed(&settings, speed) }
      try call("set raw mode on", path) { tcsetattr(descriptor, TCSANOW, &settings) }
      return descriptor
    } catch {
      close(descriptor)
      throw error
    }
  }

  static func close(_ descriptor: CInt) { _ = Foundation.close(descriptor) }

  /// Runs one system call, again after an interruption, and turns its failure into words.
  @discardableResult
  private static func call(
    _ verb: String, _ path: String, _ body: () -> CInt
  ) throws(SerialLinkError) -> CInt {
    while true {
      let result = body()
      if result >= 0 { return result }
      let number = errno
      if number != EINTR { throw SerialLinkError(errno: number, verb: verb, what: path) }
    }
  }
}

extension SerialLinkError {
  /// The error for a failed system call.
  init(errno number: CInt, verb: String, what: String) {
    let words = String(cString: strerror(number))
    switch number {
    case ENOENT, ENXIO, ENODEV, ECONNREFUSED, EIO:
      self.init(code: .notThere, message: "cannot \(verb) \(what): \(words)")
    case EACCES, EPERM:
      self.init(
        code: .notPermitted, message: "cannot \(verb) \(what): \(words)",
        remedy: what.hasPrefix("/dev/")
          ? "On Debian and Ubuntu serial ports belong to the group dialout: "
            + "sudo adduser $USER dialout, then log in again."
          : "Look at the rights of the socket and of its folder.")
    case EBUSY, EAGAIN:
      self.init(
        code: .busy, message: "cannot \(verb) \(what): another program has it open",
        remedy: "Close that program; fuser \(what) names it.")
    default:
      self.init(code: .cannotOpen, message: "cannot \(verb) \(what): \(words)")
    }
  }
}
