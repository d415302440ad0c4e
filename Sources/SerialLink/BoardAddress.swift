// Where a board is: the addresses that people write on a command line.

import Foundation

/// The address of a board's serial line.
///
/// | written | means |
/// | --- | --- |
/// | `unix:/tmp/board.sock` | a Unix socket, as QEMU's `-serial unix:...,server=on` opens it |
/// | `tcp:localhost:4321`, `tcp:[::1]:4321` | a TCP port |
/// | `tty:/dev/ttyUSB0`, `tty:/dev/ttyUSB0?baud=9600` | a serial port; 115200 baud unless told |
/// | `usb:A10K2Z9X`, `usb:A10K2Z9X/B` | a USB adapter by its serial number, and one of its channels |
/// | `usb:1-2.4` | a USB adapter by its place: bus 1, port 2, port 4 of the hub there |
/// | `usb:` | the only USB adapter that is attached |
/// | `usb:A10K2Z9X?baud=3000000&flow=rtscts&latency=1` | with settings; see ``USBAddress`` |
/// | `/dev/ttyUSB0`, `/tmp/board.sock` | whichever of socket and serial port is found there |
public enum BoardAddress: Hashable, Sendable {
  case unix(path: String)
  case tcp(host: String, port: Int)
  case tty(path: String, baud: Int)
  /// A USB adapter that this program drives itself, without the system's driver.
  case usb(USBAddress)

  /// The line speed of a serial port whose address names none.
  public static let defaultBaud = 115_200

  /// Reads an address.
  ///
  /// - Throws: ``SerialLinkError`` with code ``SerialLinkError/Code/invalidAddress``, in words that
  ///   say what to write instead.
  public init(parsing text: String) throws(SerialLinkError) {
    if let rest = text.dropping(prefix: "unix:") {
      self = try Self.unix(rest, in: text)
    } else if let rest = text.dropping(prefix: "tcp:") {
      self = try Self.tcp(rest, in: text)
    } else if let rest = text.dropping(prefix: "tty:") {
      self = try Self.tty(rest, in: text)
    } else if let rest = text.dropping(prefix: "usb:") {
      self = .usb(try USBAddress(rest, in: text))
    } else if text.hasPrefix("/") || text.hasPrefix(".") {
      self = try Self.found(at: text)
    } else {
      throw .invalidAddress(
        text, "it names no kind of line",
        "Write unix:/path/to/socket, tcp:host:port, tty:/dev/ttyUSB0 or usb:<serial number>.")
    }
  }

  private static func unix(_ path: String, in text: String) throws(SerialLinkError) -> Self {
    guard !path.isEmpty else {
      throw .invalidAddress(text, "the path is missing", "Write unix:/path/to/socket.")
    }
    // What sockaddr_un holds on Linux, the closing zero included.
    guard path.utf8.count < 108 else {
      throw .invalidAddress(
        text, "the path of a Unix socket is at most 107 bytes long",
        "Put the socket in a folder with a shorter path, such as /tmp.")
    }
    return .unix(path: path)
  }

  private static func tcp(_ rest: String, in text: String) throws(SerialLinkError) -> Self {
    guard let colon = rest.lastIndex(of: ":"), colon != rest.startIndex else {
      throw .invalidAddress(text, "host or port is missing", "Write tcp:host:port.")
    }
    var host = String(rest[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw .invalidAddress(
        text, "an IPv6 address needs brackets", "Write tcp:[\(host)]:port.")
    }
    guard let port = Int(rest[rest.index(after: colon)...]), 1...65_535 ~= port else {
      throw .invalidAddress(
        text, "the port is not a number from 1 to 65535", "Write tcp:\(host):4321, for example.")
    }
    return .tcp(host: host, port: port)
  }

  private static func tty(_ rest: String, in text: String) throws(SerialLinkError) -> Self {
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = String(parts.first ?? "")
    guard !path.isEmpty else {
      throw .invalidAddress(text, "the path is missing", "Write tty:/dev/ttyUSB0.")
    }
    guard parts.count == 2 else { return .tty(path: path, baud: defaultBaud) }
    guard let digits = String(parts[1]).dropping(prefix: "baud="), let baud = Int(digits) else {
      throw .invalidAddress(
        text, "after the question mark only baud=<number> is known",
        "Write tty:\(path)?baud=115200.")
    }
    guard Terminal.speeds[baud] != nil else {
      let known = Terminal.speeds.keys.sorted().map(String.init).joined(separator: ", ")
      throw .invalidAddress(text, "\(baud) is not a line speed", "Use one of \(known).")
    }
    return .tty(path: path, baud: baud)
  }

  private static func found(at path: String) throws(SerialLinkError) -> Self {
    switch FileKind(at: path) {
    case .socket: return .unix(path: path)
    case .characterDevice: return .tty(path: path, baud: defaultBaud)
    case .missing:
      throw .invalidAddress(
        path, "nothing is there yet, so its kind is not known",
        "To wait for it, write unix:\(path) or tty:\(path).")
    case .other:
      throw .invalidAddress(
        path, "it is neither a socket nor a serial port",
        "Give the path of a socket or of a serial port such as /dev/ttyUSB0.")
    }
  }
}

extension BoardAddress: CustomStringConvertible {
  /// The address as ``init(parsing:)`` reads it.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port):
      host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
    case .tty(let path, Self.defaultBaud): "tty:\(path)"
    case .tty(let path, let baud): "tty:\(path)?baud=\(baud)"
    case .usb(let address): "usb:\(address)"
    }
  }
}

extension BoardAddress {
  /// Bits a second on the line, where the address says.
  public var baud: Int? {
    switch self {
    case .unix, .tcp: nil
    case .tty(_, let baud): baud
    case .usb(let address): address.settings.baud
    }
  }
}

/// What lies at a path.
private enum FileKind {
  case socket, characterDevice, other, missing

  init(at path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      self = .missing
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: self = .socket
    case S_IFCHR: self = .characterDevice
    default: self = .other
    }
  }
}

extension String {
  /// The rest after `prefix`, or `nil` when the string does not begin with it.
  fileprivate func dropping(prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
