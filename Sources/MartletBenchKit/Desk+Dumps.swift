// What the service holds, as its operators see it.

import DumpFormat
import Foundation

/// The part of `martlet dump list -o json` that tests look at.
public struct StoredDump: Decodable, Sendable {
  public var id: String
  public var deviceId: String
  public var bootCount: UInt32
  public var sequence: UInt32
  public var kind: String

  public var key: DumpKey { DumpKey(bootCount: bootCount, sequence: sequence) }
}

extension Desk {
  /// The dumps that the service holds.
  public func storedDumps() throws -> [StoredDump] {
    let text = try martlet("dump", "list", "-o", "json")
    return try JSONDecoder().decode([StoredDump].self, from: Data(text.utf8))
  }

  /// The bytes of a stored dump, as the operators' tool saves them.
  public func content(of dump: StoredDump) throws -> [UInt8] {
    let file = folder.file("saved-\(dump.id).dump")
    try martlet("dump", "save", dump.id, "--file", file.path)
    return [UInt8](try Data(contentsOf: file))
  }

  /// Waits until the service holds these dumps.
  public func waitUntilStored(_ keys: [DumpKey]) throws -> [StoredDump] {
    try poll(for: "upload of \(keys)") {
      let stored = try storedDumps()
      return Set(stored.map(\.key)).isSuperset(of: keys) ? stored : nil
    }
  }
}
