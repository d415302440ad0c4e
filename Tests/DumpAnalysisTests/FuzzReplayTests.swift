// Every input that the fuzzers start from, or that once broke something, passes.

import Foundation
import FuzzBodies
import Testing

@Suite struct FuzzReplayTests {
  private static let fuzz = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fuzz")

  @Test(arguments: [
    "FuzzDumpDecoder", "FuzzFrameDecoder", "FuzzELFReader", "FuzzRemoteStub", "FuzzSealedDump",
  ])
  func `recorded inputs pass`(target: String) throws {
    let seeds = try inputs("Corpus/\(target)")
    #expect(!seeds.isEmpty)
    for file in try seeds + inputs("Regressions/\(target)") {
      try Data(contentsOf: file).withUnsafeBytes { bytes in
        switch target {
        case "FuzzDumpDecoder": fuzzDumpDecoder(bytes)
        case "FuzzFrameDecoder": fuzzFrameDecoder(bytes)
        case "FuzzELFReader": fuzzELFReader(bytes)
        case "FuzzRemoteStub": fuzzRemoteStub(bytes)
        case "FuzzSealedDump": fuzzSealedDump(bytes)
        default: Issue.record("\(target) is not replayed")
        }
      }
    }
  }

  private func inputs(_ folder: String) throws -> [URL] {
    let url = Self.fuzz.appendingPathComponent(folder)
    guard FileManager.default.fileExists(atPath: url.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
  }
}
