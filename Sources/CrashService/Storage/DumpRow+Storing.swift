// What stores dumps: their keys, and the rows of those whose keys are theirs.

import SQLStorage

extension DumpRow {
  fileprivate static let keyInsert = SQLInsert(
    into: "dumpKeys", ["deviceId", "bootCount", "sequence", "dumpId", "digest"],
    "ON CONFLICT DO NOTHING RETURNING dumpId")

  fileprivate static let insert = SQLInsert(
    into: "dumps",
    [
      "day", "id", "deviceId", "bootCount", "sequence", "catalogId", "productId", "groupId",
      "catalog", "product", "deviceGroup", "kind", "fingerprint", "buildId", "imageVersion",
      "uptimeMicroseconds", "occurrences", "consentEpoch", "size", "isTruncated", "receivedAt",
      "signature",
    ])

  fileprivate static let contentInsert = SQLInsert(into: "contents", ["day", "dumpId", "content"])

  fileprivate var keyValues: [SQLValue] {
    [
      .text(deviceId), bootCount.sqlValue, sequence.sqlValue, .text(id), .blob(digest),
    ]
  }

  /// In the order of ``insert``.
  fileprivate var values: [SQLValue] {
    [
      .integer(day), .text(id), .text(deviceId), bootCount.sqlValue, sequence.sqlValue,
      .text(catalogId), .text(productId), .text(groupId), .text(catalog), .text(product),
      .text(deviceGroup), .text(kind), .text(fingerprint), .text(buildId), .text(imageVersion),
      .text(uptimeMicroseconds), occurrences.sqlValue, consentEpoch.sqlValue, size.sqlValue,
      isTruncated.sqlValue, .integer(receivedAt), .blob(signature),
    ]
  }

  fileprivate var contentValues: [SQLValue] { [.integer(day), .text(id), .blob(content)] }
}

extension Sequence<DumpRow> {
  /// Takes the dumps' keys. Those that are taken stay as they are; the others' dump ids are answered.
  var keys: SQLRows { DumpRow.keyInsert(map(\.keyValues)) }

  /// Stores dumps whose keys are theirs.
  var rows: [SQLRows] {
    let kinds = Dictionary(map { ($0.kindOfDay, 1) }, uniquingKeysWith: +)
    return [
      DumpRow.insert(map(\.values)), DumpRow.contentInsert(map(\.contentValues)),
      DumpKind.insert(kinds.sorted { $0.key < $1.key }.map { $0.key.values(adding: $0.value) }),
    ]
  }
}
