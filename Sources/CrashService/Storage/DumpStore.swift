// Where the dumps of one region are kept.

import DumpFormat
import Foundation
import ServiceAPI

/// A dump on its way into a store.
public struct IncomingDump: Sendable {
  public var device: DeviceID
  public var group: DeviceGroupReference
  public var prologue: DumpPrologue
  /// Decoded from the body.
  public var signature: String
  /// The whole dump, prologue included.
  public var content: [UInt8]
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
public struct StoredPrologue: Equatable, Sendable {
  public var id: String
  /// 128 bytes; no memory content and no register.
  public var prologue: [UInt8]
}

/// The dump store of one region.
public protocol DumpStore: Sendable {
  var region: Region { get }
  /// Stores a dump. It is on disk when the call returns.
  func insert(_ dump: IncomingDump) async throws -> StoreOutcome
  /// The dump under a device's key, if there is one.
  func find(_ key: DumpKey, of device: DeviceID) async throws -> StoredPrologue?
  /// The first `limit` dumps after `cursor`, newest first.
  func list(_ filter: DumpFilter, after cursor: DumpCursor?, limit: Int) async throws
    -> [(DumpCursor, DumpSummary)]
  func summary(_ id: String) async throws -> DumpSummary?
  func content(_ id: String) async throws -> Data?
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
