// The udev rules that let people open the adapters that this module knows.

/// A rules file for udev.
public enum UdevRules {
  /// Where the file has to be: before 73-seat-late.rules, which acts on the tag `uaccess`.
  public static let path = "/etc/udev/rules.d/70-martlet.rules"

  /// The file's text (udev(7); `uaccess` is explained in systemd's sd-login documentation).
  public static var text: String {
    let usual = #"MODE="0660", GROUP="plugdev", TAG+="uaccess""#
    let device = #"SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device""#
    let products = FTDIChip.products.map { product in
      device + #", ATTR{idVendor}=="\#(USBDevice.hex(FTDIChip.vendor))""#
        + #", ATTR{idProduct}=="\#(USBDevice.hex(product))", "# + usual
    }
    return """
      # Lets people use USB serial adapters through Martlet's bridge.
      #
      # Write it to \(path), for example with
      #   martlet-bridge udev-rules | sudo tee \(path)
      # and make it count for what is attached:
      #   sudo udevadm control --reload
      #   sudo udevadm trigger --subsystem-match=usb
      #
      # Whoever sits at the machine may open the adapters (uaccess), and so may members of the group
      # plugdev, which is how a bridge that runs as a service gets at them.

      ACTION=="remove", GOTO="martlet_end"

      # FTDI: FT232B and R, FT2232, FT4232H, FT232H, FT-X.
      \(products.joined(separator: "\n"))

      # CDC-ACM, whoever made it: class 02, subclass 02 among the interfaces.
      \(device), ENV{ID_USB_INTERFACES}=="*:0202??:*", \(usual)
      # ModemManager would talk to it first, taking it for a modem.
      \(device), ENV{ID_USB_INTERFACES}=="*:0202??:*", ENV{ID_MM_DEVICE_IGNORE}="1"

      LABEL="martlet_end"

      """
  }
}
