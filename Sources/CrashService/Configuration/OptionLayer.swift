// Options of a command from one place: a file or the environment.

import Configuration
import Foundation
import SystemPackage
import Yams

/// An option that a command takes, as its command line knows it.
public struct CommandOption: Equatable, Sendable {
  /// Without the dashes: `log-level`.
  public var name: String
  /// Takes no value.
  public var isFlag: Bool
  /// May be given more than once.
  public var isRepeating: Bool
  /// As help shows it; `nil` without one.
  public var defaultValue: String?

  public init(name: String, isFlag: Bool, isRepeating: Bool, defaultValue: String? = nil) {
    self.name = name
    self.isFlag = isFlag
    self.isRepeating = isRepeating
    self.defaultValue = defaultValue
  }
}

/// Values of options, and where they come from.
public struct OptionLayer: Sendable {
  public struct Value: Equatable, Sendable {
    /// One text, or several for an option that repeats; `true` or `false` for a flag.
    public var texts: [String]
    /// The place, for people: `the file /etc/martlet/service.yaml, key tls.certificate`.
    public var place: String
  }

  public internal(set) var values: [String: Value] = [:]

  /// What the command line has to say for the same.
  func arguments(of options: [CommandOption], but taken: Set<String>) -> [String] {
    options.filter { !taken.contains($0.name) }.flatMap { option -> [String] in
      guard let value = values[option.name] else { return [] }
      if option.isFlag { return value.texts == ["true"] ? ["--\(option.name)"] : [] }
      return value.texts.map { "--\(option.name)=\($0)" }
    }
  }
}

/// A key or a value that is none.
public struct ConfigurationFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The place: a file and a key in it, or a variable.
  public var place: String
  public var message: String

  public init(place: String, message: String) {
    self.place = place.prefix(1).uppercased() + place.dropFirst()
    self.message = message
  }

  public var description: String { "\(place): \(message)" }
}

extension OptionLayer {
  /// The variables of the environment that begin with ``prefix``.
  public static let prefix = "MARTLET_SERVICE_"

  /// Reads the options of a command out of the environment: `MARTLET_SERVICE_LOG_LEVEL` is `log-level`, and the
  /// values of an option that repeats have commas between them.
  /// - Throws: ``ConfigurationFailure`` for a variable that is no option.
  public init(environment: [String: String], options: [CommandOption]) throws {
    let reader = ConfigReader(
      provider: EnvironmentVariablesProvider(environmentVariables: environment)
    )
    .scoped(to: ["martlet", "service"])
    let names = Dictionary(
      options.map { (Self.variable($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    for variable in environment.keys.sorted() where variable.hasPrefix(Self.prefix) {
      guard let option = names[variable] else {
        throw ConfigurationFailure(
          place: "the variable \(variable)",
          message: "there is no such option" + Self.suggestion(variable, among: names.keys))
      }
      try set(option, reader, [option.name], place: "the variable \(variable)")
    }
  }

  private static func variable(_ name: String) -> String {
    prefix + name.uppercased().replacing("-", with: "_")
  }

  /// Reads the options of a command out of a file: JSON, or YAML when its name ends so. Keys are the options'
  /// names; those that begin the same may be gathered, `tls: {certificate: ...}` for `tls-certificate`.
  /// - Throws: ``ConfigurationFailure``.
  public init(file: URL, options: [CommandOption]) async throws {
    let place = "the file \(file.path)"
    let isYAML = ["yaml", "yml"].contains(file.pathExtension.lowercased())
    let keys: [[String]]
    let reader: ConfigReader
    do {
      let path = FilePath(file.path)
      if isYAML {
        reader = ConfigReader(provider: try await FileProvider<YAMLSnapshot>(filePath: path))
        keys = Self.keys(try Yams.load(yaml: String(contentsOf: file, encoding: .utf8)))
      } else {
        reader = ConfigReader(provider: try await FileProvider<JSONSnapshot>(filePath: path))
        keys = Self.keys(try JSONSerialization.jsonObject(with: Data(contentsOf: file)))
      }
    } catch {
      throw ConfigurationFailure(
        place: place,
        message: "it cannot be read as \(isYAML ? "YAML" : "JSON"): \(error)")
    }
    let names = Dictionary(options.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for key in keys {
      let keyPlace = "\(place), key \(key.joined(separator: "."))"
      let name = key.joined(separator: "-")
      guard let option = names[name] else {
        throw ConfigurationFailure(
          place: keyPlace,
          message: "there is no such option" + Self.suggestion(name, among: names.keys))
      }
      guard values[name] == nil else {
        throw ConfigurationFailure(place: keyPlace, message: "it is there twice")
      }
      try set(option, reader, key, place: keyPlace)
    }
  }

  /// The paths to everything that is no object.
  private static func keys(_ value: Any?, below path: [String] = []) -> [[String]] {
    guard let object = value as? [String: Any] else { return path.isEmpty ? [] : [path] }
    return object.sorted { $0.key < $1.key }.flatMap { keys($0.value, below: path + [$0.key]) }
  }

  private mutating func set(
    _ option: CommandOption, _ reader: ConfigReader, _ key: [String], place: String
  ) throws {
    let key = ConfigKey(key)
    func wrong(_ expected: String) -> ConfigurationFailure {
      ConfigurationFailure(place: place, message: "\(expected) is expected")
    }
    if option.isFlag {
      guard let flag = try? reader.requiredBool(forKey: key) else { throw wrong("true or false") }
      values[option.name] = Value(texts: ["\(flag)"], place: place)
    } else if option.isRepeating, let texts = try? reader.requiredStringArray(forKey: key) {
      values[option.name] = Value(texts: texts, place: place)
    } else if let text = Self.text(reader, key) {
      values[option.name] = Value(texts: [text], place: place)
    } else {
      throw wrong(option.isRepeating ? "a list of texts" : "a text or a number")
    }
  }

  private static func text(_ reader: ConfigReader, _ key: ConfigKey) -> String? {
    if let text = try? reader.requiredString(forKey: key) { return text }
    if let number = try? reader.requiredInt(forKey: key) { return String(number) }
    return (try? reader.requiredDouble(forKey: key)).map { String($0) }
  }

  /// The nearest name, if any is near.
  private static func suggestion(_ name: String, among names: some Sequence<String>) -> String {
    let near = names.map { (name: $0, distance: distance($0, name)) }
      .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let near, near.distance <= 3 else { return "" }
    return "; did you mean \(near.name)?"
  }

  /// How many letters differ (Levenshtein).
  private static func distance(_ first: String, _ second: String) -> Int {
    let second = Array(second.prefix(100))
    var row = Array(0...second.count)
    for (index, letter) in first.prefix(100).enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in second.indices {
        let replaced = diagonal + (letter == second[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
      }
    }
    return row[second.count]
  }
}
