// `martlet dump`: lists and saves what is stored.

import ArgumentParser
import Foundation
import ServiceAPI

struct DumpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump", abstract: "Crash dumps that the service holds.",
    subcommands: [List.self, DumpShow.self, Save.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the dumps of a catalog, newest first.")
    @Option(
      name: [.short, .long],
      help: "The catalog. (default: $MARTLET_CATALOG, the configuration, default)")
    var catalog: String?
    @Option(name: [.short, .long], help: "Only dumps of this product.") var product: String?
    @Option(name: [.short, .long], help: "Only dumps of this device group.")
    var deviceGroup: String?
    @Option(
      help: "Only dumps of this device, 128 hex digits.",
      transform: { try DeviceCommand.device($0) })
    var device: DeviceID?
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      var query = [("catalog", try CatalogOptions.name(catalog))]
      if let product { query.append(("product", product)) }
      if let deviceGroup { query.append(("deviceGroup", deviceGroup)) }
      if let device { query.append(("device", device.text)) }
      let found: [DumpSummary] = try await options.client().list(DumpPath.list, query: query)
      try options.output.show(found.map(DumpRow.init), none: "No dumps.")
    }
  }

  struct Save: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a dump's bytes to a file that only you can read.")
    @Argument(help: "The dump's id, as dump list shows it.") var id: String
    @Option(
      name: [.short, .long], help: "The file; one that exists is replaced.", completion: .file())
    var file: String
    @OptionGroup var options: ServiceOptions

    func run() async throws {
      let bytes = try await options.client().bytes(DumpPath.content(id))
      let url = URL(fileURLWithPath: file)
      do {
        try bytes.write(to: url, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: url.path)
      } catch {
        throw CommandFailure(
          message: "Cannot write \(url.path): \(error.localizedDescription)",
          remedy: "Choose another file with --file.")
      }
      note("\(bytes.count) bytes in \(url.path)")
    }
  }
}
