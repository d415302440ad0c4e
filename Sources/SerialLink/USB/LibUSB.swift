// The funnel for libusb's calls: every one that can fail goes through here and comes out in words.

import CLibUSB

/// libusb's calls and codes, as the rest of the module knows them.
enum LibUSB {
  /// Runs one call.
  ///
  /// - Parameters:
  ///   - verb: what the call does, for words: "open".
  ///   - what: what it does it to: "usb:1-2".
  /// - Returns: what the call returned, never negative.
  @discardableResult
  static func call(
    _ verb: String, _ what: String, _ body: () -> CInt
  ) throws(SerialLinkError) -> Int {
    let result = body()
    guard result < 0 else { return Int(result) }
    throw SerialLinkError(usb: libusb_error(rawValue: result), verb: verb, what: what)
  }

  /// A call whose failure changes nothing: on the way out, or to ask for what may be missing.
  ///
  /// - Returns: what the call returned, or `nil` when it failed.
  @discardableResult
  static func attempt(_ body: () -> CInt) -> Int? {
    let result = body()
    return result < 0 ? nil : Int(result)
  }
}

extension SerialLinkError {
  /// What people who may not open a device can do about it.
  static let usbPermissionRemedy =
    "Let your user open it: martlet-bridge udev-rules | sudo tee /etc/udev/rules.d/70-martlet.rules, "
    + "then sudo udevadm control --reload, and plug it in again."

  /// The error for a failed libusb call.
  init(usb code: libusb_error, verb: String, what: String) {
    let words = String(cString: libusb_strerror(code.rawValue))
    let message = "cannot \(verb) \(what): \(words)"
    switch code {
    case LIBUSB_ERROR_NO_DEVICE, LIBUSB_ERROR_NOT_FOUND:
      self.init(code: .notThere, message: message)
    case LIBUSB_ERROR_ACCESS:
      self.init(code: .notPermitted, message: message, remedy: Self.usbPermissionRemedy)
    case LIBUSB_ERROR_BUSY:
      self.init(
        code: .busy, message: "cannot \(verb) \(what): another program uses it",
        remedy: "Close that program; 'martlet-bridge devices' shows what is in use.")
    case LIBUSB_ERROR_NO_MEM:
      self.init(
        code: .cannotOpen, message: message,
        remedy: "The system's limit for USB transfers may be reached: see "
          + "/sys/module/usbcore/parameters/usbfs_memory_mb.")
    default:
      self.init(code: .cannotOpen, message: message)
    }
  }
}
