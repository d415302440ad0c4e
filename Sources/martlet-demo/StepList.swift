// The steps of the demo, what became of each, and how long it took.

import Foundation
import Synchronization

/// What a step found out, for the summary.
struct StepNotes {
  /// The service's name for the dump.
  var dumpID: String?
  var signature: String?
}

/// Runs steps one after the other and remembers them.
final class StepList: Sendable {
  private let list = Mutex<[Summary.Step]>([])
  let progress: Progress

  init(progress: Progress) { self.progress = progress }

  /// The steps so far.
  var done: [Summary.Step] { list.withLock { $0 } }

  /// Runs one step.
  ///
  /// - Parameters:
  ///   - name: for the summary and for failures: lower case with hyphens, the same for good.
  ///   - words: what is being done, for people.
  ///   - body: does it; what it sets in its argument goes into the summary.
  /// - Throws: ``DemoFailure`` with the step's name in it.
  func run<Value: Sendable>(
    _ name: String, _ words: String, _ body: (inout StepNotes) async throws -> Value
  ) async throws -> Value {
    let start = ContinuousClock.now
    var notes = StepNotes()
    progress.begin(words)
    let outcome: Result<Value, DemoFailure>
    do {
      outcome = .success(try await body(&notes))
    } catch {
      var failure = DemoFailure(error)
      failure.step = name
      outcome = .failure(failure)
    }
    let seconds = (.now - start).inSeconds.roundedToMilliseconds
    var step = Summary.Step(name: name, ok: true, seconds: seconds)
    step.dumpId = notes.dumpID
    step.signature = notes.signature
    if case .failure(let failure) = outcome {
      step.ok = false
      step.error = "\(failure)"
    }
    list.withLock { [step] in $0.append(step) }
    progress.end("  \(step.ok ? "ok" : "FAILED") (\(String(format: "%.1f", seconds)) s)")
    return try outcome.get()
  }
}
