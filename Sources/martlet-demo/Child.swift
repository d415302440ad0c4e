// A program that runs beside the demo until it is stopped.

import Foundation
import Subprocess
import Synchronization

/// A process in a group of its own, with its words in log files.
final class Child: Sendable {
  let name: String
  /// Where its messages are.
  let log: URL
  /// Of the process and its group.
  let identifier: pid_t
  private let task: Task<Void, Never>
  /// How it ended; `nil` while it runs.
  private let ending: Ending

  private final class Ending: Sendable {
    let words = Mutex<String?>(nil)
  }

  /// How it ended; `nil` while it runs.
  var ended: String? { ending.words.withLock { $0 } }

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - input: a descriptor for its standard input, closed here once it runs; `nil` for none.
  ///   - output: the file that its standard output is appended to.
  ///   - log: the file that its standard error is appended to.
  init(
    name: String, path: String, arguments: [String], input: Int32?, output: URL, log: URL
  ) async throws {
    self.name = name
    self.log = log
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [
      .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: .seconds(10))
    ]
    let configuration = Configuration(
      executable: .path(.init(path)), arguments: Arguments(arguments), platformOptions: options)
    let standardInput = try input ?? Self.open("/dev/null", O_RDONLY)
    let standardOutput = try Self.open(output.path, O_WRONLY | O_APPEND | O_CREAT)
    let standardError = try Self.open(log.path, O_WRONLY | O_APPEND | O_CREAT)
    let (started, start) = AsyncThrowingStream.makeStream(of: pid_t.self)
    let ending = Ending()
    self.ending = ending
    task = Task {
      do {
        let result = try await Subprocess.run(
          configuration,
          input: .fileDescriptor(
            .init(rawValue: standardInput), closeAfterSpawningProcess: true),
          output: .fileDescriptor(
            .init(rawValue: standardOutput), closeAfterSpawningProcess: true),
          error: .fileDescriptor(.init(rawValue: standardError), closeAfterSpawningProcess: true)
        ) { execution in
          start.yield(execution.processIdentifier.value)
        }
        ending.words.withLock { $0 = "\(result.terminationStatus)" }
        start.finish()
      } catch {
        ending.words.withLock { $0 = "\(error)" }
        start.finish(throwing: error)
      }
    }
    var first: pid_t?
    do {
      for try await number in started {
        first = number
        break
      }
    } catch {
      throw DemoFailure(.system, "cannot start \(path): \(error)")
    }
    guard let first else { throw CancellationError() }
    identifier = first
  }

  /// Asks it to end, waits, and ends it by force when it does not.
  func stop() async {
    task.cancel()
    await task.value
    // What it may have started itself.
    kill(-identifier, SIGKILL)
  }

  /// The last line of what it said.
  var lastWords: String {
    let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
    return String((text.split(separator: "\n").last ?? "").prefix(300))
  }

  private static func open(_ path: String, _ flags: Int32) throws -> Int32 {
    let descriptor = Foundation.open(path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw DemoFailure.system("open \(path)") }
    return descriptor
  }
}
