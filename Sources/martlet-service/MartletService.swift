// The crash service as a program.

import ArgumentParser
import CrashService
import Foundation
import Logging

@main
struct MartletService: AsyncParsableCommand {
  static func main() async {
    limitHeapArenas()
    limitEventLoops()
    do {
      let given = Array(CommandLine.arguments.dropFirst())
      guard let arguments = try await RunConfiguration.completed(given) else { return }
      await main(arguments)
    } catch {
      FileHandle.standardError.write(Data("martlet-service: \(error)\n".utf8))
      Foundation.exit(1)
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "martlet-service",
    abstract: "Stores the crash dumps of boards whose owners consent.",
    discussion: """
      The service keeps everything in one folder: management data in martlet.sqlite, dumps in one \
      store per region (eu.sqlite, us-east.sqlite, us-west.sqlite). Bridges send it dumps, \
      operators manage it with martlet. Keys and dumps in the folder are encrypted under a master \
      key that is kept elsewhere: run --help says where.
      """,
    subcommands: [
      Run.self, TokenCommand.self, CertificateCommand.self, Backup.self, Restore.self,
      NewMasterKey.self,
    ],
    defaultSubcommand: Run.self)
}
