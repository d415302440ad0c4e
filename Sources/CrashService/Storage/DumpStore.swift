// Where the dumps of one region are kept.

import Crypto
import DumpFormat
import Foundation
import ServiceAPI

/// A dump on its way into a store.
public struct IncomingDump: Sendable {
  public var device: DeviceID
  public var group: DeviceGroupReference
  public var groupID: String
  /// Of the opened dump.
  public var prologue: DumpPrologue
  /// Decoded from the body.
  public var signature: String
  /// The whole dump as it opened, prologue included.
  public var content: [UInt8]
  /// SHA-256 of the bytes as they were received: a dump sent again has the same.
  public var digest: Data
  public var receivedAt: Date
}

/// What became of a dump.
public enum StoreOutcome: Equatable, Sendable {
  /// Stored now, under this id.
  case stored(id: String)
  /// The same bytes were there already, under this id.
  case present(id: String)
  /// Other bytes are stored under the key.
  case conflict
}

/// A key that devices of one region seal dumps to.
public struct SealingKey: Sendable {
  /// docs/formats/lease.md, The sealing key id.
  public var id: UInt32
  public var privateKey: Curve25519.KeyAgreement.PrivateKey
}

/// What a list of dumps is narrowed to; absent members narrow nothing.
public struct DumpFilter: Equatable, Sendable {
  public var catalog: String?
  public var product: String?
  public var deviceGroup: String?
  public var device: DeviceID?

  public init() {}
}

/// A place in a list of dumps, newest first: everything after one dump.
public struct DumpCursor: Equatable, Sendable {
  /// Milliseconds since 1970 when that dump was received.
  public var receivedAt: Int64
  public var id: String
}

/// A dump that is stored, as far as another region may know of it.
public struct StoredDump: Equatable, Sendable {
  public var id: String
  /// SHA-256 of the bytes as they were received.
  public var digest: Data
}

/// A dump that was offered and not taken, because there are enough of its kind.
public struct SkippedDump: Equatable, Sendable {
  public var device: DeviceID
  public var key: DumpKey
  /// 16 hex digits.
  public var fingerprint: String
}

/// The dump store of one region. What is in a dump is encrypted there, under keys of that region alone.
public protocol DumpStore: Sendable {
  var region: Region { get }
  /// Stores a dump. It is on disk when the call returns.
  func insert(_ dump: IncomingDump) async throws -> StoreOutcome
  /// The dump under a device's key, if there is one.
  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredDump?
  /// The first `limit` dumps after `cursor`, newest first.
  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int) async throws
    -> [(DumpCursor, DumpSummary)]
  func summary(_ id: String) async throws -> DumpSummary?
  func content(_ id: String) async throws -> Data?
  /// The key that dumps are sealed to in the month of `date`. When it is made, keys that are older than
  /// the two months before are destroyed.
  func sealingKey(at date: Date) async throws -> SealingKey
  /// A key that dumps were sealed to; `nil` when it is not this region's, or not any more.
  func sealingKey(id: UInt32) async throws -> SealingKey?
  /// How many dumps of each fingerprint, in 16 hex digits, a device group has.
  /// - Parameter buildID: counts those of one image alone, 40 hex digits.
  func stored(inGroup groupID: String, since: Date, buildID: String?) async throws -> [String: Int]
  /// Remembers dumps that were not taken. One that is skipped again counts once.
  func keep(_ skipped: [SkippedDump], at time: Date) async throws
  /// How many dumps of a device were not taken, by fingerprint.
  func skipped(of device: DeviceID) async throws -> [String: Int]
  /// Stores crash counts of a device. Of several under one name the largest stays. They are on disk
  /// when the call returns.
  func keep(_ counts: [CountRequest.Count], of device: DeviceID, at time: Date) async throws
  /// What is stored under these names.
  func counts(of names: Set<CrashName>) async throws -> [CrashCount]
  /// All counts of a device.
  func counts(of device: DeviceID) async throws -> [CrashCount]
  /// Ends the use of the store.
  func close() throws
}
