// The operators' tool: device groups and their consent, devices, dumps.

import ArgumentParser

@main
struct Martlet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Manages device groups, consent and crash dumps of a Martlet crash service.",
    discussion: """
      The commands follow the grammar of az sphere. Defaults for the service, the catalog and the \
      resource group come from options, then the environment (MARTLET_SERVICE, MARTLET_CATALOG), \
      then `martlet config set`.

      A first round:
        martlet catalog create
        martlet product create --product DW100
        martlet device-group create --product DW100 --device-group Marketing
        martlet device claim --device <128 hex digits> --product DW100 --device-group Marketing
        martlet device-group update --product DW100 --device-group Marketing \
      --allow-crash-dumps-collection Enabled
        martlet dump list
      """,
    subcommands: [
      CatalogCommand.self, ProductCommand.self, DeviceGroupCommand.self, DeviceGroupsCommand.self,
      DeviceCommand.self, DumpCommand.self, RetentionCommand.self, ConfigCommand.self,
    ])
}
