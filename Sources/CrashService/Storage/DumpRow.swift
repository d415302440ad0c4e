// One stored dump without what is encrypted of it.

import DumpFormat
import Foundation
import GRDB
import ServiceAPI

struct DumpRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "dumps"

  var id: String
  var deviceId: String
  var bootCount: UInt32
  var sequence: UInt32
  var catalog: String
  var product: String
  var deviceGroup: String
  var kind: String
  var fingerprint: String
  var buildId: String
  var imageVersion: String
  /// A decimal number: it may exceed what an SQLite integer holds.
  var uptimeMicroseconds: String
  var occurrences: UInt32
  var consentEpoch: UInt32
  var size: Int
  var isTruncated: Bool
  var receivedAt: Int64
  var prologue: Data
  /// SHA-256 of the bytes as they were received.
  var receivedDigest: Data
  /// Empty for a dump that an older version stored.
  var groupId: String

  init(_ dump: IncomingDump, id: String) {
    let header = dump.prologue.header
    self.id = id
    deviceId = dump.device.text
    bootCount = header.key.bootCount
    sequence = header.key.sequence
    catalog = dump.group.product.catalog.name
    product = dump.group.product.name
    deviceGroup = dump.group.name
    kind = "\(header.kind)"
    fingerprint = header.fingerprint.hexDigits
    buildId = header.buildID.hexDigits
    imageVersion = header.version.unpaddedText
    uptimeMicroseconds = String(header.uptime)
    occurrences = header.occurrences
    consentEpoch = header.consentEpoch
    size = dump.content.count
    isTruncated = dump.prologue.commit.isTruncated
    receivedAt = milliseconds(dump.receivedAt)
    prologue = Data(dump.content.prefix(DumpPrologue.size))
    receivedDigest = dump.digest
    groupId = dump.groupID
  }

  var key: DumpKey { DumpKey(bootCount: bootCount, sequence: sequence) }

  /// - Parameter signature: decrypted.
  func summary(in region: Region, signature: String) -> DumpSummary {
    DumpSummary(
      id: id, deviceId: deviceId, catalog: catalog, product: product, deviceGroup: deviceGroup,
      region: region.rawValue, bootCount: bootCount, sequence: sequence, kind: kind,
      fingerprint: fingerprint, signature: signature, buildId: buildId, imageVersion: imageVersion,
      uptimeSeconds: (Double(uptimeMicroseconds) ?? 0) / 1_000_000, occurrences: occurrences,
      size: size, isTruncated: isTruncated, receivedAt: date(milliseconds: receivedAt))
  }

  static func find(_ db: Database, _ key: DumpKey, device: String) throws -> DumpRow? {
    let request: SQLRequest<DumpRow> = """
      SELECT * FROM dumps WHERE deviceId = \(device) AND bootCount = \(key.bootCount)
      AND sequence = \(key.sequence)
      """
    return try request.fetchOne(db)
  }
}
