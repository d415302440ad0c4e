// The text format that Prometheus reads (version 0.0.4,
// https://prometheus.io/docs/instrumenting/exposition_formats/).

/// Writes families of samples. The names and label names are the program's own; values of labels may
/// be anything.
public struct MetricsText {
  /// The Content-Type of ``text``.
  public static let type = "text/plain; version=0.0.4; charset=utf-8"

  public enum Kind: String, Sendable {
    case counter, gauge, histogram
  }

  public typealias Labels = KeyValuePairs<String, String>

  public private(set) var text = ""

  public init() {}

  /// Writes a family of samples; nothing when there are none.
  ///
  /// - Parameters:
  ///   - name: by Prometheus' conventions: a base unit at the end, `_total` after it for a counter.
  ///   - help: a sentence without its full stop.
  public mutating func family(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: Labels, value: Double)]
  ) {
    guard !samples.isEmpty else { return }
    begin(name, kind, help)
    for (labels, value) in samples { sample(name, labels.map { ($0, $1) }, value) }
  }

  /// A family of one sample without labels; nothing when the value is not known.
  public mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: Double?) {
    let none: Labels = [:]
    family(name, kind, help, value.map { [(none, $0)] } ?? [])
  }

  /// Writes what goes before the samples of a family.
  mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// Writes a sample of the family that was begun last.
  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
    let inside = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
    text += name + (inside.isEmpty ? "" : "{\(inside.joined(separator: ","))}")
    text += " \(Self.figure(value))\n"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    // By scalars: a return and a line end together are one character.
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  static func figure(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
  }
}
