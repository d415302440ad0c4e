// What Linux keeps about USB devices in files: names without opening a device, and who drives it.

import Foundation

/// The texts that a device has for people.
struct USBNames: Hashable, Sendable {
  var manufacturer: String?
  var product: String?
  var serial: String?
}

/// The files below /sys/bus/usb/devices (Linux, Documentation/ABI/stable/sysfs-bus-usb).
enum SysFS {
  private static let root = "/sys/bus/usb/devices"

  /// The names of the device at a place, or `nil` on a system without such files. A root hub, whose
  /// place is none, has no names.
  static func names(at place: USBPlace) -> USBNames? {
    guard FileManager.default.fileExists(atPath: root) else { return nil }
    let folder = "\(root)/\(place)"
    return USBNames(
      manufacturer: text(folder + "/manufacturer"), product: text(folder + "/product"),
      serial: text(folder + "/serial"))
  }

  /// Who drives an interface. Configurations are almost always number 1; others are found too.
  static func holder(of interface: Int, at place: USBPlace) -> USBHolder? {
    guard FileManager.default.fileExists(atPath: "\(root)/\(place)") else { return nil }
    let configuration = text("\(root)/\(place)/bConfigurationValue") ?? "1"
    let folder = "\(root)/\(place):\(configuration).\(interface)"
    guard
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/driver")
    else { return .nobody }
    let driver = target.split(separator: "/").last.map(String.init) ?? target
    // usbfs is what programs hold an interface by.
    return driver == "usbfs" ? .program : .driver(driver, port: port(in: folder))
  }

  /// The serial port of an interface: FTDI's driver puts it into the interface's folder, the driver
  /// for CDC-ACM one deeper.
  private static func port(in folder: String) -> String? {
    for folder in [folder, folder + "/tty"] {
      let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      if let name = entries.first(where: { $0.hasPrefix("tty") && $0 != "tty" }) {
        return "/dev/" + name
      }
    }
    return nil
  }

  private static func text(_ path: String) -> String? {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    return text.isEmpty ? nil : text
  }
}
