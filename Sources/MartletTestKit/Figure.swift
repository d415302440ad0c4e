// Measured figures: one line a figure for people, one JSON object a line for programs.

import Foundation

/// Where tests report what they measured.
public enum Figure {
  /// Prints `name: value unit` and, when `MARTLET_FIGURES` names a file, appends the same as a JSON
  /// object in a line of its own. Parallel tests and processes may report to one file.
  ///
  /// - Parameters:
  ///   - name: lower case, dotted, from the general to the particular; stays the same for good.
  ///   - value: finite. Whole numbers are written without a fraction.
  ///   - unit: such as `B` or `erases`; empty for a plain number.
  ///   - environment: the process's own, unless a test brings one.
  public static func report(
    _ name: String, _ value: Double, _ unit: String = "",
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    let number = text(value)
    print("\(name): \(number)\(unit.isEmpty ? "" : " ")\(unit)")
    guard let path = environment["MARTLET_FIGURES"] else { return }
    append(
      #"{"name": "\#(name)", "value": \#(number), "unit": "\#(unit)"}"# + "\n", toFile: path)
  }

  /// The same for a whole number.
  public static func report(
    _ name: String, _ value: Int, _ unit: String = "",
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    report(name, Double(value), unit, environment: environment)
  }

  /// Four places behind the point at most.
  private static func text(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 0x1p53 { return String(Int64(value)) }
    return String(format: "%.4f", value)
  }

  /// One write with O_APPEND, so that lines of several processes do not mix.
  private static func append(_ line: String, toFile path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    guard file >= 0 else {
      print("figures: \(path) cannot be written; set MARTLET_FIGURES to a file in a folder that is")
      return
    }
    let bytes = Array(line.utf8)
    _ = write(file, bytes, bytes.count)
    close(file)
  }
}
