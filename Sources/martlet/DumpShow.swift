// `martlet dump show`: registers, fault status in words, and the way to the crash.

import ArgumentParser
import DumpAnalysis
import Foundation
import GDBSession
import ServiceAPI

struct DumpShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Explains a dump: registers, fault status in words, backtrace.",
    discussion: """
      The backtrace needs the ELF file of the very build that crashed: name it with --elf, or name \
      folders that hold it with --symbol-path or MARTLET_SYMBOL_PATH (separated by colons).
      """)

  @Argument(help: "The dump's id, as dump list shows it.") var id: String?
  @Option(help: "A local file to show instead of a stored dump.", completion: .file())
  var file: String?
  @Option(help: "The ELF file of the image that crashed.", completion: .file())
  var elf: String?
  @Option(
    help: "A folder with ELF files; the one with the dump's build-id is taken. May be repeated.",
    completion: .directory)
  var symbolPath: [String] = []
  @OptionGroup var options: ServiceOptions

  func validate() throws {
    guard (id == nil) != (file == nil) else {
      throw ValidationError("Name a dump by its id, or a local file with --file.")
    }
    guard elf == nil || symbolPath.isEmpty else {
      throw ValidationError("--elf and --symbol-path exclude each other.")
    }
  }

  func run() async throws {
    let (summary, bytes) = try await load()
    let dump = try DecodedDump(bytes: bytes)
    // What the dump says by itself is printed even when its ELF file is not to be found.
    let image = Result { try findImage(dump) }
    let elf = try? image.get()
    let trace = await backtrace(dump, elf)
    let report = DumpReport(dump: dump, elf: elf)
    switch options.output {
    case .json: try printJSON(Answer(summary: summary, report: report, backtrace: trace.value))
    case .yaml: try printYAML(Answer(summary: summary, report: report, backtrace: trace.value))
    // A report has no rows.
    case .table, .tsv:
      if let summary {
        write("Dump \(summary.id), \(summary.region)\n")
        write("received \(summary.receivedAt.formatted(.iso8601)) from \(summary.deviceId)\n")
        let crashes = summary.crashes?.words ?? "the device has not told yet"
        write("all of this fingerprint on this device: \(crashes)\n\n")
      }
      write(report.text)
      if let value = trace.value { write("\nBacktrace\n\(value.text)") }
    }
    if let failure = trace.failure { throw failure }
    if try image.get() == nil {
      note("No backtrace: name the image's ELF file with --elf, or its folder with --symbol-path.")
    }
  }

  private struct Answer: Encodable {
    /// What the service knows; absent for a local file.
    var summary: DumpSummary?
    var report: DumpReport
    /// Absent without the ELF file.
    var backtrace: Backtrace?
  }

  /// The backtrace, or why there is none although the ELF file is there. A dump that knows no program
  /// counter has none to give, which is no failure.
  private func backtrace(
    _ dump: DecodedDump, _ image: ELFImage?
  ) async -> (value: Backtrace?, failure: (any Error)?) {
    guard let image else { return (nil, nil) }
    do {
      return (try await Backtrace.run(dump: dump, elf: image), nil)
    } catch let error as GDBSessionError where error.code == .nothingToTrace {
      note("No backtrace: \(error)")
      return (nil, nil)
    } catch {
      return (nil, error)
    }
  }

  private func load() async throws -> (DumpSummary?, [UInt8]) {
    if let file {
      do {
        return (nil, [UInt8](try Data(contentsOf: URL(fileURLWithPath: file))))
      } catch {
        throw CommandFailure(message: "Cannot read \(file): \(error.localizedDescription)")
      }
    }
    let id = id ?? ""
    let client = try options.client()
    let summary: DumpSummary = try await client.get(DumpPath.summary(id))
    return (summary, [UInt8](try await client.bytes(DumpPath.content(id))))
  }

  /// The image's ELF file. What the caller named must be there; what only the environment names is
  /// looked for, and missed with a note.
  private func findImage(_ dump: DecodedDump) throws -> ELFImage? {
    let named = elf.map { [$0] } ?? symbolPath
    if !named.isEmpty { return try finder(named).elf(for: dump) }
    guard let path = Defaults.environment("MARTLET_SYMBOL_PATH") else { return nil }
    do {
      return try finder(path.split(separator: ":").map(String.init)).elf(for: dump)
    } catch {
      note("\(error)")
      return nil
    }
  }

  private func finder(_ paths: [String]) -> SymbolFinder {
    SymbolFinder(paths: paths.map { URL(fileURLWithPath: $0) })
  }
}
