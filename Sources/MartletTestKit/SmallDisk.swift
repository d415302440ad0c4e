// A disk that a test may fill.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file system of a few megabytes in memory, which the programs behind its ``wrapper`` see and no others. It goes
/// with the test process.
public final class SmallDisk: Sendable {
  /// Whether this process may make one: it takes the rights of root.
  public static let isPossible: Bool = {
    guard getuid() == 0 else { return false }
    let log = FileManager.default.temporaryDirectory
      .appending(path: "martlet-disk-\(UUID().uuidString).log")
    defer { try? FileManager.default.removeItem(at: log) }
    let trial = try? SpawnedProgram(
      ["/usr/bin/unshare", "--mount", "mount", "-t", "tmpfs", "martlet", "/mnt"], log: log)
    return trial?.end(waiting: true) == 0
  }()

  /// Where it is, for those programs.
  let folder: URL
  private let holder: SpawnedProgram

  /// - Parameter bytes: its size.
  /// - Throws: ``ProcessFailure``.
  public init(bytes: Int) throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "martlet-disk-" + String(UInt32.random(in: .min ... .max), radix: 36))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    ProcessReaper.shared.add(folder: folder)
    let log = folder.appending(path: "log")
    let script = """
      mount -t tmpfs -o size=\(bytes),mode=0777 martlet '\(folder.path)' && echo made && exec sleep infinity
      """
    holder = try SpawnedProgram(
      ["/usr/bin/unshare", "--mount", "bash", "-c", script], log: log)
    while !holder.output.contains("made") {
      guard holder.end(waiting: false) == nil else {
        throw ProcessFailure(.cannotStart, "no file system can be mounted: \(holder.output)")
      }
      usleep(5_000)
    }
  }

  deinit {
    kill(holder.identifier, SIGKILL)
    _ = holder.end(waiting: true)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Goes before the command line of a program that is to see it.
  var wrapper: [String] { ["/usr/bin/nsenter", "--mount=/proc/\(holder.identifier)/ns/mnt"] }

  /// As this process reaches it.
  private var ballast: String { "/proc/\(holder.identifier)/root\(folder.path)/ballast" }

  /// Leaves no room on it.
  public func fill() throws {
    let file = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw ProcessFailure(.cannotStart, "\(ballast) cannot be made") }
    defer { close(file) }
    let piece = [UInt8](repeating: 0xFF, count: 1 << 16)
    while write(file, piece, piece.count) > 0 {}
    guard errno == ENOSPC else { throw ProcessFailure(.cannotStart, "the disk is not full") }
  }

  /// Gives the room back that ``fill()`` took.
  public func empty() { unlink(ballast) }
}
