// Where the bridge's socket is when nobody says, for the bridge and for those who ask it.

import Foundation

/// Paths of the bridge's socket.
public enum StatusSocketPlace {
  /// The path that the environment names, for bridges and for those who ask them; `none` for nowhere.
  public static func chosen(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String? {
    environment["MARTLET_STATUS_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Where a bridge of this user listens: below the service manager's folder (`RUNTIME_DIRECTORY`,
  /// systemd.exec(5)), the login session's (`XDG_RUNTIME_DIR`), or else a folder in the user's home.
  /// Each belongs to the user alone, so that nobody can put another socket in its place.
  public static func standard(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    if let folder = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first,
      folder.hasPrefix("/")
    {
      return "\(folder)/bridge.sock"
    }
    if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") {
      return folder + "/martlet/bridge.sock"
    }
    return StateFolder.user(environment) + "/bridge.sock"
  }

  /// The socket of the bridge that runs as a system service.
  public static let system = "/run/martlet/bridge.sock"

  /// Where to look for a bridge, in this order.
  public static func candidates(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> [String] {
    let own = chosen(environment) ?? standard(environment)
    return own == system ? [own] : [own, system]
  }
}
