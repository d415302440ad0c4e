// One stored dump without its content, as the database has it.

import Crypto
import DumpFormat
import Foundation
import SQLStorage
import ServiceAPI

struct DumpRow: Sendable {
  var id: String
  var deviceId: String
  var bootCount: UInt32
  var sequence: UInt32
  var catalogId: String
  var productId: String
  var groupId: String
  var catalog: String
  var product: String
  var deviceGroup: String
  var kind: String
  var fingerprint: String
  var buildId: String
  var imageVersion: String
  /// A decimal number: it may exceed what the engines' integers hold.
  var uptimeMicroseconds: String
  var occurrences: UInt32
  var consentEpoch: UInt32
  var size: Int
  var isTruncated: Bool
  /// Milliseconds since 1970.
  var receivedAt: Int64
  /// Encrypted.
  var signature: Data
  /// SHA-256 of the bytes as they were received; empty in a row that was read.
  var digest = Data()
  /// Encrypted; empty in a row that was read.
  var content = Data()

  /// - Parameter vault: of the dump's retention slot.
  init(_ dump: IncomingDump, id: String, time: Int64, vault: DumpVault) throws {
    let header = dump.prologue.header
    let group = dump.placement.group
    self.id = id
    deviceId = dump.placement.device.text
    bootCount = header.key.bootCount
    sequence = header.key.sequence
    catalogId = dump.placement.catalogID
    productId = dump.placement.productID
    groupId = dump.placement.groupID
    catalog = group.product.catalog.name
    product = group.product.name
    deviceGroup = group.name
    kind = "\(header.kind)"
    fingerprint = header.fingerprint.hexDigits
    buildId = header.buildID.hexDigits
    imageVersion = header.version.unpaddedText.storable
    uptimeMicroseconds = String(header.uptime)
    occurrences = header.occurrences
    consentEpoch = header.consentEpoch
    size = dump.content.count
    isTruncated = dump.prologue.commit.isTruncated
    receivedAt = time
    signature = try vault.seal(Data(dump.signature.utf8), .signature, id: id)
    digest = dump.digest
    content = try vault.seal(dump.content, .content, id: id)
  }

  init(_ row: SQLRow) throws {
    id = try row["id"]
    deviceId = try row["deviceId"]
    bootCount = try row["bootCount"]
    sequence = try row["sequence"]
    catalogId = try row["catalogId"]
    productId = try row["productId"]
    groupId = try row["groupId"]
    catalog = try row["catalog"]
    product = try row["product"]
    deviceGroup = try row["deviceGroup"]
    kind = try row["kind"]
    fingerprint = try row["fingerprint"]
    buildId = try row["buildId"]
    imageVersion = try row["imageVersion"]
    uptimeMicroseconds = try row["uptimeMicroseconds"]
    occurrences = try row["occurrences"]
    consentEpoch = try row["consentEpoch"]
    size = try row["size"]
    isTruncated = try row["isTruncated"]
    receivedAt = try row["receivedAt"]
    signature = try row["signature"]
  }

  var key: DumpKey { DumpKey(bootCount: bootCount, sequence: sequence) }
  var day: Int64 { RetentionPeriod.dayNumber(receivedAt) }
  var slot: RetentionSlot { RetentionSlot(group: groupId, time: receivedAt) }

  /// Which dump it is, whatever the store calls it.
  var name: (String, UInt32, UInt32) { (deviceId, bootCount, sequence) }

  var kindOfDay: DumpKind {
    DumpKind(
      group: groupId, catalog: catalogId, product: productId, fingerprint: fingerprint,
      buildID: buildId, day: day)
  }

  /// - Parameter vault: of the dump's retention slot.
  func summary(in region: Region, vault: DumpVault) throws -> DumpSummary {
    DumpSummary(
      id: id, deviceId: deviceId, catalog: catalog, product: product, deviceGroup: deviceGroup,
      region: region.rawValue, bootCount: bootCount, sequence: sequence, kind: kind,
      fingerprint: fingerprint,
      signature: String(
        decoding: try vault.open(signature, .signature, id: id), as: UTF8.self),
      buildId: buildId, imageVersion: imageVersion,
      uptimeSeconds: (Double(uptimeMicroseconds) ?? 0) / 1_000_000, occurrences: occurrences,
      size: size, isTruncated: isTruncated, receivedAt: date(milliseconds: receivedAt))
  }
}

extension String {
  /// The text without zero characters, which PostgreSQL's text cannot hold.
  fileprivate var storable: String { replacing("\0", with: "\u{FFFD}") }
}
