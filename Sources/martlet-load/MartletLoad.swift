// Loads a crash service on loopback and reports its figures beside the raw limits of this machine.

import ArgumentParser
import Foundation
import MartletTestKit

@main
struct MartletLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-load",
    abstract: "Measures martlet-service of the same build on loopback.",
    discussion: """
      Each subcommand starts a service on a folder of its own, loads it, and prints its figures, a line \
      each. Raw limits are measured in the same run, so that ratios hold on any machine.
      """,
    subcommands: [
      IngestLoad.self, OverloadLoad.self, OfferLoad.self, LeaseLoad.self, MemoryLoad.self,
      MillionLoad.self,
    ])
}

/// A folder for a run, gone afterwards.
func withFolder<Value>(_ parent: String?, _ body: (URL) async throws -> Value) async throws -> Value
{
  let folder = (parent.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory)
    .appending(path: "martlet-load-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await body(folder)
}

/// Says on standard error what goes on.
func progress(_ text: String) {
  FileHandle.standardError.write(Data("load: \(text)\n".utf8))
}
