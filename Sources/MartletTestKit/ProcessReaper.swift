// Sees to it that no child outlives the tests, however they end.

import Foundation
import Synchronization

/// A shell that waits for this process to end, then kills what this process had started and not yet seen
/// the end of, and removes the folders that it had made for them. It learns of that end by its standard
/// input, which closes even at kill -9.
final class ProcessReaper: Sendable {
  static let shared = ProcessReaper()

  private static let script = """
    trap '' HUP INT TERM
    list=' '
    servers=' '
    folders=' '
    while read -r what number; do
      case $what in
        +) list="$list$number " ;;
        -)
          list="${list%% $number *} ${list#* $number }"
          case $servers in
            *" $number "*) servers="${servers%% $number *} ${servers#* $number }" ;;
          esac
          ;;
        server) servers="$servers$number " ;;
        folder) folders="$folders$number " ;;
      esac
    done
    # These give shared memory back when they are asked to end at once.
    kill -QUIT $servers 2>/dev/null
    tries=0
    while kill -0 $servers 2>/dev/null && [ $tries -lt 20 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    kill -9 $list 2>/dev/null
    rm -rf $folders
    """

  private let input: Mutex<FileHandle?>

  private init() {
    let shell = Process()
    let pipe = Pipe()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", Self.script]
    shell.standardInput = pipe
    do {
      try shell.run()
      input = Mutex(pipe.fileHandleForWriting)
    } catch {
      // Children still end with the objects that own them.
      input = Mutex(nil)
    }
  }

  func add(_ child: Int32) { tell("+ \(child)\n") }

  /// Has a child that was added asked to end (SIGQUIT) before it is killed.
  func add(server child: Int32) { tell("server \(child)\n") }

  /// Has a folder removed when this process ends. Its path has no spaces.
  func add(folder: URL) { tell("folder \(folder.path)\n") }

  func remove(_ child: Int32) { tell("- \(child)\n") }

  private func tell(_ line: String) {
    input.withLock { try? $0?.write(contentsOf: Data(line.utf8)) }
  }
}
