// Who made a row and who changed it last, and when.

import Foundation
import SQLStorage
import ServiceAPI

/// Names are those of ``Principal/name``; times are in milliseconds since 1970.
struct Authorship: Equatable, Sendable {
  var createdBy: String
  var createdAt: Int64
  var modifiedBy: String
  var modifiedAt: Int64

  /// Of something new.
  init(by author: String, at now: Int64) {
    createdBy = author
    createdAt = now
    modifiedBy = author
    modifiedAt = now
  }

  init(_ row: SQLRow) throws(SQLFailure) {
    createdBy = try row["createdBy"]
    createdAt = try row["createdAt"]
    modifiedBy = try row["modifiedBy"]
    modifiedAt = try row["modifiedAt"]
  }

  mutating func change(by author: String, at now: Int64) {
    modifiedBy = author
    modifiedAt = now
  }

  var systemData: SystemData {
    SystemData(
      createdBy: createdBy, createdAt: date(milliseconds: createdAt),
      lastModifiedBy: modifiedBy, lastModifiedAt: date(milliseconds: modifiedAt))
  }

  // MARK: - In statements

  /// The columns of a table's definition.
  static func definition(_ engine: SQLEngine) -> SQLText {
    """
    createdBy \(engine.text) NOT NULL,
    createdAt \(engine.integer) NOT NULL,
    modifiedBy \(engine.text) NOT NULL,
    modifiedAt \(engine.integer) NOT NULL
    """
  }

  static let columns: SQLText = "createdBy, createdAt, modifiedBy, modifiedAt"

  /// In the order of ``columns``.
  var values: SQLText { "\(createdBy), \(createdAt), \(modifiedBy), \(modifiedAt)" }

  /// What a change writes.
  var update: SQLText { "modifiedBy = \(modifiedBy), modifiedAt = \(modifiedAt)" }
}
