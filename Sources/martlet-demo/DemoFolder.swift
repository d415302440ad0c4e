// Where a run of the demo keeps its files, and the lock that keeps runs apart.

import Foundation

/// One run's folder below the demo's folder, and a folder for sockets, whose paths must be short.
struct DemoFolder: Sendable {
  /// Earlier runs whose logs stay.
  private static let runsKept = 4

  /// This run's files.
  let run: URL
  /// In the system's temporary folder; whoever stops the run removes it.
  let sockets: URL
  let summary: URL
  /// Holds the lock; the system lets go of it when the process ends, however it ends.
  private let lock: FileHandle

  /// - Parameter path: the demo's folder, made when it is missing.
  /// - Throws: ``DemoFailure`` with `busy` when another demo runs there, or `system`.
  init(path: String) throws {
    let folder = URL(fileURLWithPath: path)
    let manager = FileManager.default
    do {
      try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw DemoFailure(
        .system, "cannot make \(folder.path): \(error.localizedDescription)",
        remedy: "Choose another place with --folder")
    }
    lock = try Self.lock(folder.appending(path: "lock"))
    summary = folder.appending(path: "summary.json")
    // A summary of an earlier run must not pass for one of a run that is killed.
    unlink(summary.path)
    Self.prune(folder)

    // The time first, so that names sort by age.
    run = folder.appending(path: "run-\(Int(Date().timeIntervalSince1970))-\(getpid())")
    do {
      try manager.createDirectory(at: run, withIntermediateDirectories: false)
    } catch {
      throw DemoFailure(.system, "cannot make \(run.path): \(error.localizedDescription)")
    }
    var template = Array("/tmp/martlet-demo-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw DemoFailure.system("make a folder in /tmp") }
    sockets = URL(
      fileURLWithPath: String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self))
  }

  func removeSockets() { try? FileManager.default.removeItem(at: sockets) }

  private static func lock(_ file: URL) throws -> FileHandle {
    let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw DemoFailure.system("open \(file.path)", remedy: "Choose another place with --folder")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let owner = (try? handle.readToEnd()) ?? Data()
      let number = String(decoding: owner, as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      throw DemoFailure(
        .busy, "another demo runs here\(number.isEmpty ? "" : ", process \(number)")",
        remedy: "Wait for its end" + (number.isEmpty ? "" : ", or stop it with: kill \(number)"))
    }
    try handle.truncate(atOffset: 0)
    try handle.write(contentsOf: Data("\(getpid())\n".utf8))
    return handle
  }

  /// Removes the oldest runs. Nobody uses them: this run holds the lock.
  private static func prune(_ folder: URL) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names.filter({ $0.hasPrefix("run-") }).sorted().dropLast(runsKept) {
      try? FileManager.default.removeItem(at: folder.appending(path: name))
    }
  }
}
