// `martlet-service certificate`: certificates that bridges log in with.

import ArgumentParser
import CrashService
import Foundation

struct CertificateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certificate",
    abstract: "Makes, lists and revokes the certificates that bridges log in with.",
    discussion: """
      Works while the service runs: a new certificate is good, and a revoked one is not, within a \
      second.

      Examples:
        martlet-service certificate create --data ./service-data --bridge bench-7 --catalog plant
        martlet-bridge run --certificate bench-7.pem --key bench-7.key --ca service-data/tls/ca.pem ...
        martlet-service certificate list --data ./service-data
        martlet-service certificate revoke --data ./service-data 0f3c9a52d1e8b764
      """,
    subcommands: [Create.self, List.self, Revoke.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a certificate and its key, for one bridge.")

    @OptionGroup var dataOptions: DataOptions

    @OptionGroup var masterKeyOptions: MasterKeyOptions

    @Option(help: "The bridge's name: letters, digits, '-' and '.'.")
    var bridge: String

    @OptionGroup var grantOptions: GrantOptions

    @Option(help: ArgumentHelp("In how many days it expires.", valueName: "days"))
    var expires = 365

    @Option(
      help: "Where the files are written, named after the bridge: NAME.pem and NAME.key.",
      completion: .directory)
    var folder = "."

    func validate() throws {
      let isName = bridge.allSatisfy {
        $0.isASCII && ($0.isLetter || $0.isNumber || "-.".contains($0))
      }
      guard isName, (1...60).contains(bridge.count), !bridge.hasPrefix(".") else {
        throw ValidationError("--bridge takes 1 to 60 letters, digits, '-' and '.'.")
      }
      guard (1...3650).contains(expires) else {
        throw ValidationError("--expires takes days from 1 to 3650.")
      }
    }

    func run() async throws {
      let dataFolder = dataOptions.folder
      try await withAccess(dataOptions) { store in
        let masterKey = try masterKeyOptions.source(dataFolder: dataFolder).find().key
        let authority = try CertificateAuthority(
          in: dataFolder, masterKey: masterKey, now: Date(), makes: false)
        let made = try BridgeCertificate(
          name: bridge, by: authority, catalogs: grantOptions.grant, days: expires, now: Date())
        let target = URL(fileURLWithPath: folder)
        // Nobody but its maker reads the key: see withAccess.
        try Data(made.keyPEM.utf8).write(
          to: target.appending(path: "\(bridge).key"), options: .withoutOverwriting)
        try Data(made.certificatePEM.utf8).write(
          to: target.appending(path: "\(bridge).pem"), options: .withoutOverwriting)
        try await store.insert(made.credential)
        print(
          """
          certificate \(made.credential.id) for the bridge \(bridge)
          martlet-bridge takes it with --certificate \(bridge).pem --key \(bridge).key, and trusts
          the service with --ca \(authority.certificateFile.path)
          """)
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists bridges' certificates, the oldest first.")

    @OptionGroup var dataOptions: DataOptions

    func run() async throws {
      try await withAccess(dataOptions) { try await printCredentials(.certificate, of: $0) }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a certificate's power for good.")

    @OptionGroup var dataOptions: DataOptions

    @Argument(help: "The certificate's id, as the list shows it.")
    var id: String

    func run() async throws {
      try await withAccess(dataOptions) { try await revoke(.certificate, id, of: $0) }
    }
  }
}
