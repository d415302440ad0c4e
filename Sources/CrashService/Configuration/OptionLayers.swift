// A command line completed from a file and the environment.

import Foundation

/// The options of a command from everywhere: the command line wins over the environment, which wins over the
/// file, which wins over the defaults.
public struct OptionLayers: Sendable {
  /// The option that names the file.
  public static let fileOption = "config"

  private let options: [CommandOption]
  private let given: [String]
  /// Options that the command line has.
  private let taken: Set<String>
  private let environment: OptionLayer
  private let file: OptionLayer

  /// - Parameters:
  ///   - given: the command line behind the command's name.
  ///   - options: what the command takes.
  /// - Throws: ``ConfigurationFailure``.
  public init(_ given: [String], environment: [String: String], options: [CommandOption])
    async throws
  {
    self.options = options
    self.given = given
    taken = Set(
      given.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }
        .map { String($0.dropFirst(2).prefix { $0 != "=" }) })
    self.environment = try OptionLayer(environment: environment, options: options)
    let named =
      Self.value(of: Self.fileOption, in: given)
      ?? self.environment.values[Self.fileOption]?.texts.first
    if let named {
      file = try await OptionLayer(file: URL(fileURLWithPath: named), options: options)
    } else {
      file = OptionLayer()
    }
  }

  private static func value(of name: String, in arguments: [String]) -> String? {
    var found: String?
    for (index, argument) in arguments.enumerated() {
      if argument.hasPrefix("--\(name)=") { found = String(argument.dropFirst(name.count + 3)) }
      if argument == "--\(name)", index + 1 < arguments.count { found = arguments[index + 1] }
    }
    return found
  }

  /// The command line that says all of it.
  public var arguments: [String] {
    let inEnvironment = Set(environment.values.keys)
    return file.arguments(of: options, but: taken.union(inEnvironment))
      + environment.arguments(of: options, but: taken) + given
  }

  /// Where the values come from that the command line does not have, to tell whose mistake one is.
  public var places: [(option: String, place: String)] {
    options.compactMap { option in
      guard !taken.contains(option.name) else { return nil }
      return (environment.values[option.name] ?? file.values[option.name]).map {
        (option.name, $0.place)
      }
    }
  }

  /// The same command line with one option alone out of file and environment.
  public func arguments(withOnly name: String) -> [String] {
    let others = Set(options.map(\.name)).subtracting([name])
    let layer = environment.values[name] == nil ? file : environment
    return layer.arguments(of: options, but: others.union(taken)) + given
  }

  /// A line for each option with its value and where it comes from. Passwords in addresses are masked.
  public func description(leavingOut hidden: Set<String> = []) -> String {
    options.filter { !hidden.contains($0.name) }.map { option in
      let (text, place): (String, String) =
        if taken.contains(option.name) {
          (commandLineValue(of: option), "the command line")
        } else if let value = environment.values[option.name] ?? file.values[option.name] {
          (value.texts.joined(separator: ","), value.place)
        } else {
          (option.isFlag ? "false" : option.defaultValue ?? "", "default")
        }
      return "\(option.name) = \(Self.masked(text))  # \(place)\n"
    }.joined()
  }

  private func commandLineValue(of option: CommandOption) -> String {
    option.isFlag ? "true" : Self.value(of: option.name, in: given) ?? ""
  }

  /// `scheme://user:password@host` and `password=...` without the password.
  static func masked(_ text: String) -> String {
    text.replacing(/(:\/\/[^:\/@]*):[^@]*@/) { "\($0.output.1):***@" }
      .replacing(/(?i)(password\s*=\s*)('[^']*'|[^\s&]+)/) { "\($0.output.1)***" }
  }
}
