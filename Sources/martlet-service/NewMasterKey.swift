// `martlet-service new-master-key`: a key for --master-key-file or MARTLET_MASTER_KEY.

import ArgumentParser
import CrashService

struct NewMasterKey: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new-master-key", abstract: "Prints a new master key, 32 bytes in base64.",
    discussion: """
      The key is for a data folder that does not exist yet: what was stored under one key is not \\
      read with another.

      Example:
        (umask 077; martlet-service new-master-key > master.key)
      """)

  func run() { print(MasterKey().base64) }
}
