// A program that a test starts, listens to, kills, and never leaves behind.

import Foundation

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
  private let process = Process()
  private let input: Pipe?
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
    input = takesInput ? Pipe() : nil
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = input ?? FileHandle.nullDevice
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    process.terminationHandler = { [weak self] process in self?.ended(process) }
    do {
      try process.run()
    } catch {
      throw ProcessFailure(.cannotStart, "\(program.path) cannot be started: \(error)")
    }
    ProcessReaper.shared.add(process.processIdentifier)
    read(output) { $0.outputBytes += $1 }
    read(errors) { $0.errorBytes += $1 }
  }

  // Nobody would hear of the end any more.
  deinit { send(SIGKILL) }

  private func read(_ pipe: Pipe, _ keep: @escaping @Sendable (ProcessChild, [UInt8]) -> Void) {
    let handle = pipe.fileHandleForReading
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

  private func ended(_ process: Process) {
    ProcessReaper.shared.remove(process.processIdentifier)
    changed.withLock {
      let status = process.terminationStatus
      end = process.terminationReason == .exit ? .exit(status) : .signal(status)
    }
    changed.broadcast()
  }

  // MARK: - What it does

  /// Its number.
  public var identifier: Int32 { process.processIdentifier }

  /// Everything it wrote to standard output so far.
  public var output: String { changed.withLock { String(decoding: outputBytes, as: UTF8.self) } }

  /// Everything it wrote to standard error so far.
  public var errors: String { changed.withLock { String(decoding: errorBytes, as: UTF8.self) } }

  /// Writes to its standard input.
  public func write(_ text: String) {
    try? input?.fileHandleForWriting.write(contentsOf: Data(text.utf8))
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
    if process.isRunning { Foundation.kill(process.processIdentifier, signal) }
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
