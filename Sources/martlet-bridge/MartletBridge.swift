// martlet-bridge: the program that runs beside the boards.

import ArgumentParser
import Foundation
import HostBridge

@main
struct MartletBridge: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-bridge",
    abstract: "Takes crash dumps from boards on the bench to the Martlet service.",
    version: BridgeVersion.current,
    subcommands: [Run.self, Provision.self, Status.self, Devices.self, PrintUdevRules.self])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let code as ExitCode {
      // What there is to say was said.
      Foundation.exit(code.rawValue)
    } catch {
      // Help and version are no failures; everything else is, with one code for all.
      let words = fullMessage(for: error)
      if exitCode(for: error).isSuccess {
        print(words)
      } else {
        FileHandle.standardError.write(Data((words + "\n").utf8))
        Foundation.exit(1)
      }
    }
  }
}
