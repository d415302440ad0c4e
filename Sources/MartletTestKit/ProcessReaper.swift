// Sees to it that no child outlives the tests, however they end.

import Foundation
import Synchronization

/// A shell that waits for this process to end and then kills what this process had started and not
/// yet seen the end of. It learns of that end by its standard input, which closes even at kill -9.
final class ProcessReaper: Sendable {
  static let shared = ProcessReaper()

  private static let script = """
    trap '' HUP INT TERM
    list=' '
    while read -r what number; do
      case $what in
        +) list="$list$number " ;;
        -) list="${list%% $number *} ${list#* $number }" ;;
      esac
    done
    kill -9 $list 2>/dev/null
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

  func remove(_ child: Int32) { tell("- \(child)\n") }

  private func tell(_ line: String) {
    input.withLock { try? $0?.write(contentsOf: Data(line.utf8)) }
  }
}
