// Figures are reported as shared tools read them.

import Foundation
import MartletTestKit
import Testing

@Suite struct FigureTests {
  @Test func `figures are appended to the file that the environment names`() throws {
    try TemporaryDirectory.with { directory in
      let file = directory.file("figures.jsonl")
      let environment = ["MARTLET_FIGURES": file.path]
      Figure.report("test.bytes", 1890, "B", environment: environment)
      Figure.report("test.ratio", 1.05, environment: environment)
      let written = try String(contentsOf: file, encoding: .utf8)
      #expect(
        written == """
          {"name": "test.bytes", "value": 1890, "unit": "B"}
          {"name": "test.ratio", "value": 1.0500, "unit": ""}

          """)
    }
  }
}
