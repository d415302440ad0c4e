// A desk for the time of one test.

import MartletBenchKit
import MartletTestKit

extension Desk {
  /// Runs `body` with a desk in a folder of its own, on a thread that may wait; both are gone afterwards.
  ///
  /// - Parameter serving: whether its service runs already.
  static func with<Result: Sendable>(
    access: Access = .plaintext, serving: Bool = true,
    _ body: @escaping @Sendable (Desk) throws -> Result
  ) async throws -> Result {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let desk = try Desk(in: folder, access: access)
        defer { desk.close() }
        if serving { try desk.startService() }
        return try body(desk)
      }
    }
  }
}
