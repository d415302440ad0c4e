// A page of metrics, read as Prometheus reads it.

/// The text format, read strictly (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
public struct PrometheusPage {
  /// A figure with its name.
  public struct Sample {
    public var name: String
    public var labels: [String: String]
    public var value: Double
  }

  /// The line that is wrong.
  public struct Problem: Error {
    public var line: String
    public var words: String
  }

  public private(set) var samples: [Sample] = []
  private var kinds: [String: String] = [:]

  /// The value of a sample; `nil` when it is not there.
  public subscript(name: String, labels: [String: String] = [:]) -> Double? {
    samples.first { $0.name == name && $0.labels == labels }?.value
  }

  /// - Throws: ``Problem`` at the first line that Prometheus would not take.
  public init(_ page: String) throws {
    guard page.hasSuffix("\n") else { throw Problem(line: "", words: "no line end at the end") }
    var helped: String?
    var family: String?
    // By bytes: a return and a line end would be one character.
    for bytes in page.utf8.dropLast().split(separator: 0x0A, omittingEmptySubsequences: false) {
      let line = String(decoding: Array(bytes), as: UTF8.self)
      func check(_ isRight: Bool, _ words: String) throws {
        if !isRight { throw Problem(line: line, words: words) }
      }
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      if line.hasPrefix("# HELP ") {
        try check(words.count == 4, "no help text")
        helped = words[2]
      } else if line.hasPrefix("# TYPE ") {
        try check(words.count == 4 && helped == words[2], "TYPE without HELP before it")
        try check(["counter", "gauge", "histogram"].contains(words[3]), "unknown type")
        try check(kinds[words[2]] == nil, "a second TYPE")
        try check(
          (words[3] == "counter") == words[2].hasSuffix("_total"), "only counters end in _total")
        family = words[2]
        kinds[words[2]] = words[3]
      } else {
        let sample = try Self.sample(line)
        try check(belongs(sample, to: family), "a sample outside its family")
        try check(
          !samples.contains { $0.name == sample.name && $0.labels == sample.labels }, "twice")
        samples.append(sample)
      }
    }
    try checkHistograms()
  }

  /// Whether a sample's name is the family's, or one that a histogram has.
  private func belongs(_ sample: Sample, to family: String?) -> Bool {
    guard let family, kinds[family] == "histogram" else { return sample.name == family }
    if sample.name == family + "_bucket" { return sample.labels["le"] != nil }
    return [family + "_sum", family + "_count"].contains(sample.name)
  }

  /// Histograms whose buckets fall, or do not end with all that was counted.
  private func checkHistograms() throws {
    for family in kinds.filter({ $0.value == "histogram" }).keys {
      let buckets = Dictionary(
        grouping: samples.filter { $0.name == family + "_bucket" },
        by: { $0.labels.filter { $0.key != "le" } })
      for (labels, series) in buckets {
        let bounds = series.map { Double($0.labels["le"] ?? "") ?? .nan }
        let counts = series.map(\.value)
        let isRight =
          bounds == bounds.sorted() && bounds.last == .infinity && counts == counts.sorted()
          && counts.last == self[family + "_count", labels] && self[family + "_sum", labels] != nil
        if !isRight { throw Problem(line: family, words: "a histogram that is none: \(labels)") }
      }
    }
  }

  private static func sample(_ line: String) throws -> Sample {
    var rest = line.unicodeScalars[...]
    func problem(_ words: String) -> Problem { Problem(line: line, words: words) }
    func name() throws -> String {
      let name = rest.prefix {
        $0 == "_" || "a"..."z" ~= $0 || "A"..."Z" ~= $0 || "0"..."9" ~= $0
      }
      guard let first = name.first, !("0"..."9" ~= first) else { throw problem("no name") }
      rest = rest.dropFirst(name.count)
      return String(name)
    }
    var sample = Sample(name: try name(), labels: [:], value: 0)
    if rest.first == "{" {
      repeat {
        rest.removeFirst()
        let label = try name()
        guard rest.starts(with: "=\"".unicodeScalars) else { throw problem("no value") }
        rest = rest.dropFirst(2)
        var value = String.UnicodeScalarView()
        while let scalar = rest.popFirst(), scalar != "\"" {
          guard scalar == "\\" else {
            value.append(scalar)
            continue
          }
          switch rest.popFirst() {
          case "\\": value.append("\\")
          case "n": value.append("\n")
          case "\"": value.append("\"")
          default: throw problem("an escape that is none")
          }
        }
        guard sample.labels.updateValue(String(value), forKey: label) == nil else {
          throw problem("a label twice")
        }
      } while rest.first == ","
      guard rest.popFirst() == "}" else { throw problem("labels without end") }
    }
    guard rest.popFirst() == " ", let value = Double(String(rest)) else {
      throw problem("no figure")
    }
    sample.value = value
    return sample
  }
}
