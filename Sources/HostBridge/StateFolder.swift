// Where the bridge keeps what must outlive a restart, when nobody says.

import Foundation

/// Folders of the bridge, by the XDG base directory specification and systemd.exec(5).
public enum StateFolder {
  /// The folder of this user's bridge: below `XDG_STATE_HOME`, or else in the user's home.
  static func user(_ environment: [String: String]) -> String {
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      return state + "/martlet"
    }
    return NSHomeDirectory() + "/.local/state/martlet"
  }

  /// The spool's: below the service manager's folder (`STATE_DIRECTORY`), or else the user's.
  public static func spool(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    if let folder = environment["STATE_DIRECTORY"]?.split(separator: ":").first,
      folder.hasPrefix("/")
    {
      return folder + "/spool"
    }
    return user(environment) + "/spool"
  }
}
