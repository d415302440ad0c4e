// The command line of `run`, completed from a file and the environment.

import ArgumentParser
import CrashService
import Foundation

/// Makes the command line that says what file and environment say as well.
enum RunConfiguration {
  /// - Parameter given: the command line as it was typed, without the program's name.
  /// - Returns: the same for other commands; `nil` when all that was asked for is printed.
  /// - Throws: ``ConfigurationFailure``.
  static func completed(
    _ given: [String], environment: [String: String] = ProcessInfo.processInfo.environment
  ) async throws -> [String]? {
    let isNamed = given.first == Run.configuration.commandName ?? Run._commandName
    guard isNamed || given.first?.hasPrefix("-") ?? false else { return given }
    let own = isNamed ? Array(given.dropFirst()) : given
    guard !own.contains(where: { ["-h", "--help", "-help", "--version"].contains($0) }) else {
      return given
    }
    let layers = try await OptionLayers(own, environment: environment, options: try options())
    try check(layers)
    if own.contains("--print-config") {
      print(layers.description(leavingOut: ["print-config"]), terminator: "")
      return nil
    }
    return [Run._commandName] + layers.arguments
  }

  /// Tells a mistake in the file or the environment as such; those of the command line are told when it is
  /// parsed.
  private static func check(_ layers: OptionLayers) throws {
    do {
      _ = try Run.parse(layers.arguments)
    } catch {
      let message = Run.message(for: error)
      let culprit = layers.places.filter { message.contains("--\($0.option)") }
        .max { $0.option.count < $1.option.count }
      guard let culprit else { return }
      throw ConfigurationFailure(place: culprit.place, message: message)
    }
  }

  // MARK: - What `run` takes

  /// What ArgumentParser tells of a command, as far as it is needed.
  private struct Help: Decodable {
    struct Command: Decodable { var arguments: [Argument]? }
    struct Argument: Decodable {
      struct Name: Decodable { var name: String }
      var kind: String
      var isRepeating: Bool
      var preferredName: Name?
      var defaultValue: String?
    }
    var command: Command
  }

  static func options() throws -> [CommandOption] {
    let help = try JSONDecoder().decode(Help.self, from: Data(Run._dumpHelp().utf8))
    return (help.command.arguments ?? []).compactMap { argument in
      guard let name = argument.preferredName?.name, name != "help" else { return nil }
      return CommandOption(
        name: name, isFlag: argument.kind == "flag", isRepeating: argument.isRepeating,
        defaultValue: argument.defaultValue)
    }
  }
}
