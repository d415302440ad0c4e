// A program that a test starts, listens to, kills, and never leaves behind.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A child process. It is killed when the object goes away, and when the test process ends.
///
/// The waiting calls block their thread: use them inside ``onThread(_:)``.
public final class ProcessChild: @unchecked Sendable {
  /// The end of the process.
  public enum Ending: Equatable, Sendable {
    case exit(Int32)
    case signal(Int32)
  }

  /// The program's name, for messages.
  public let name: String
  /// Its number.
  public let identifier: Int32
  private let input: FileHandle?
  /// Guards what follows; signalled at new output and at the end.
  private let changed = NSCondition()
  private var outputBytes = Data()
  private var errorBytes = Data()
  private var openStreams = 2
  private var end: Ending?

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - program: its path.
  ///   - environment: added to this process's own.
  ///   - takesInput: whether ``write(_:)`` will be used; otherwise standard input is empty.
  /// - Throws: ``ProcessFailure`` with `missing` or `cannotStart`.
  public init(
    _ program: URL, _ arguments: [String], environment: [String: String] = [:],
    takesInput: Bool = false
  ) throws(ProcessFailure) {
    name = program.lastPathComponent
    guard FileManager.default.isExecutableFile(atPath: program.path) else {
      throw ProcessFailure(
        .missing, "\(program.path) is not there", remedy: "Build it first, or install it")
    }
    let streams = try ProcessStreams(takesInput: takesInput)
    input = streams.input
    identifier = try streams.spawn([program.path] + arguments, environment: environment)
    read(streams.output) { $0.outputBytes += $1 }
    read(streams.errors) { $0.errorBytes += $1 }
    awaitEnd()
  }

  // Nobody would hear of the end any more.
  deinit { send(SIGKILL) }

  private func read(
    _ handle: FileHandle, _ keep: @escaping @Sendable (ProcessChild, [UInt8]) -> Void
  ) {
    // A thread of its own: it ends with the pipe, and no pool runs out of threads.
    Thread.detachNewThread { [weak self] in
      while true {
        let data = [UInt8](unsafeUninitializedCapacity: 1 << 14) { buffer, count in
          count = max(0, Foundation.read(handle.fileDescriptor, buffer.baseAddress, buffer.count))
        }
        guard !data.isEmpty else { break }
        guard let self else { return }
        changed.withLock { keep(self, data) }
        changed.broadcast()
      }
      self?.changed.withLock { self?.openStreams -= 1 }
      self?.changed.broadcast()
    }
  }

  private func awaitEnd() {
    Thread.detachNewThread { [weak self, identifier, changed] in
      var ended = siginfo_t()
      // Its number stays its own until it is known to be gone: nobody sends a signal to another.
      while waitid(P_PID, id_t(identifier), &ended, WEXITED | WNOWAIT) == -1, errno == EINTR {}
      ProcessReaper.shared.remove(identifier)
      changed.withLock {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) == -1, errno == EINTR {}
        self?.end = Ending(status: status)
      }
      changed.broadcast()
    }
  }

  // MARK: - What it does

  /// Everything it wrote to standard output so far.
  public var output: String { changed.withLock { String(decoding: outputBytes, as: UTF8.self) } }

  /// Everything it wrote to standard error so far.
  public var errors: String { changed.withLock { String(decoding: errorBytes, as: UTF8.self) } }

  /// Writes to its standard input.
  public func write(_ text: String) {
    try? input?.write(contentsOf: Data(text.utf8))
  }

  /// Waits until its standard output and error, one after the other, satisfy `condition`.
  ///
  /// - Throws: ``ProcessFailure`` with `tooLate`, or `ended` when the process ended without it.
  public func wait(
    for what: String, within limit: Duration = .seconds(30),
    until condition: (_ output: String, _ errors: String) -> Bool
  ) throws(ProcessFailure) {
    let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
    changed.lock()
    defer { changed.unlock() }
    while true {
      let output = String(decoding: outputBytes, as: UTF8.self)
      let errors = String(decoding: errorBytes, as: UTF8.self)
      if condition(output, errors) { return }
      if let end, openStreams == 0 {
        throw ProcessFailure(
          .ended,
          "\(name) ended (\(end)) before \(what)\n\(output.suffix(2000))\(errors.suffix(2000))")
      }
      guard changed.wait(until: deadline) else {
        throw ProcessFailure(
          .tooLate,
          "\(name): no \(what) within \(limit)\n\(output.suffix(2000))\(errors.suffix(2000))")
      }
    }
  }

  /// Waits for its end and for the last of its output.
  @discardableResult
  public func waitForEnd(within limit: Duration = .seconds(30)) throws(ProcessFailure) -> Ending {
    let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
    changed.lock()
    defer { changed.unlock() }
    while true {
      if let end, openStreams == 0 { return end }
      guard changed.wait(until: deadline) else {
        throw ProcessFailure(.tooLate, "\(name) did not end within \(limit)")
      }
    }
  }

  /// Whether the process is gone.
  public var hasEnded: Bool { changed.withLock { end != nil } }

  /// Sends a signal.
  public func send(_ signal: Int32) {
    changed.withLock { _ = end == nil ? Foundation.kill(identifier, signal) : 0 }
  }

  /// kill -9, and waits until the process is gone.
  public func kill() {
    send(SIGKILL)
    changed.lock()
    defer { changed.unlock() }
    let deadline = Date(timeIntervalSinceNow: 10)
    while end == nil, changed.wait(until: deadline) {}
  }
}

extension ProcessChild.Ending {
  /// - Parameter status: as waitpid(2) tells it.
  fileprivate init(status: Int32) {
    let signal = status & 0x7F
    self = signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
  }
}

/// Runs blocking work on a thread of its own, so that no thread of the task pool waits.
public func onThread<Result: Sendable>(
  _ work: @escaping @Sendable () throws -> Result
) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    let thread = Thread { continuation.resume(with: Swift.Result { try work() }) }
    thread.stackSize = 4 << 20
    thread.start()
  }
}
