// Everything that the demo starts, and the certainty that it ends.

import Foundation

/// The running programs, and a guardian that ends them should this process be killed.
actor Crew {
  private let folder: DemoFolder
  private var members: [Child] = []
  private var guardian: Child?
  /// The guardian's standard input: at its end, without a word before, it ends what it was told of.
  private var guardianInput: FileHandle?

  init(folder: DemoFolder) { self.folder = folder }

  /// Starts the guardian.
  func watchOver() async throws {
    let (reading, writing) = try Self.makePipe()
    guardianInput = writing
    guardian = try await Child(
      name: "guardian", path: "/bin/sh",
      arguments: [
        "-c",
        """
        groups=
        while read -r word; do
          [ "$word" = done ] && exit 0
          groups="$groups $word"
        done
        for group in $groups; do kill -s KILL -- "-$group"; done
        rm -rf "$1"
        """, "guardian", folder.sockets.path,
      ],
      input: reading, output: folder.run.appending(path: "guardian.log"),
      log: folder.run.appending(path: "guardian.log"))
  }

  /// Starts a program.
  ///
  /// - Parameter output: the name of a file for its standard output, when that is not for the log.
  func start(
    _ name: String, _ path: String, _ arguments: [String], input: Int32? = nil,
    output: String? = nil
  ) async throws -> Child {
    let log = folder.run.appending(path: "\(name).log")
    let child = try await Child(
      name: name, path: path, arguments: arguments, input: input,
      output: output.map { folder.run.appending(path: $0) } ?? log, log: log)
    try? guardianInput?.write(contentsOf: Data("\(child.identifier)\n".utf8))
    members.append(child)
    return child
  }

  /// Looks whether all that was started still runs.
  func check() throws {
    for member in members {
      guard let ending = member.ended else { continue }
      let words = member.lastWords
      throw DemoFailure(
        .ended, "\(member.name) ended (\(ending))\(words.isEmpty ? "" : ": \(words)")",
        remedy: "Its log is \(member.log.path)")
    }
  }

  /// Ends all, the last that was started first, and removes their sockets.
  ///
  /// - Parameter checking: whether it matters that one of them had gone before.
  /// - Throws: ``DemoFailure`` with `ended` when one had.
  func stop(checking: Bool) async throws {
    var early: DemoFailure?
    if checking { do { try check() } catch { early = DemoFailure(error) } }
    for member in members.reversed() { await member.stop() }
    members = []
    try? guardianInput?.write(contentsOf: Data("done\n".utf8))
    try? guardianInput?.close()
    guardianInput = nil
    await guardian?.stop()
    guardian = nil
    folder.removeSockets()
    if let early { throw early }
  }

  /// A pipe whose ends no other child inherits.
  static func makePipe() throws -> (reading: Int32, writing: FileHandle) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw DemoFailure.system("make a pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], FileHandle(fileDescriptor: ends[1], closeOnDealloc: true))
  }
}
