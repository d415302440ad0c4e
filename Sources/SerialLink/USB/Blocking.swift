// Calls that block for a while, kept off the threads that serve tasks.

import Dispatch

enum Blocking {
  /// Runs `body` on a thread that may block and returns what it does. It is not interrupted when the
  /// task is cancelled: what it opened is in the caller's hands either way.
  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(SerialLinkError) -> Value
  ) async throws(SerialLinkError) -> Value {
    let result: Result<Value, SerialLinkError> = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        do throws(SerialLinkError) {
          continuation.resume(returning: .success(try body()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  static func run(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        body()
        continuation.resume()
      }
    }
  }
}
