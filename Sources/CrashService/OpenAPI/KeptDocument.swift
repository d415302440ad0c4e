// A document that is made once.

import Foundation
import Synchronization

/// Whoever asks first has it made.
final class KeptDocument: Sendable {
  private let make: @Sendable () throws -> Data
  private let made = Mutex<Data?>(nil)

  init(make: @escaping @Sendable () throws -> Data) { self.make = make }

  func bytes() throws -> Data {
    try made.withLock { made in
      if let made { return made }
      let new = try make()
      made = new
      return new
    }
  }
}
