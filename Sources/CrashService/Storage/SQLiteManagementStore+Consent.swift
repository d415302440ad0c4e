// How things stand with devices, in SQLite.

import Foundation
import GRDB
import ServiceAPI

extension SQLiteManagementStore {
  func standings(of devices: [DeviceID]) async throws -> [DeviceStanding] {
    try await read { db in try devices.map { try located(db, $0) } }
  }

  func holdingStanding<Value: Sendable>(
    of device: DeviceID, _ body: @Sendable (DeviceStanding) async throws -> Value
  ) async throws -> Value {
    try await gate.shared { try await body(standing(of: device)) }
  }

  func countUncaptured(_ crashes: UInt32, device: DeviceID, nonce: [UInt8]) async throws {
    guard crashes > 0 else { return }
    let time = milliseconds(now())
    try await pool.write { db in
      try db.execute(
        literal: """
          INSERT INTO uncapturedCrashes (device, total, lastNonce, modifiedAt)
          VALUES (\(device.text), \(crashes), \(Data(nonce)), \(time))
          ON CONFLICT (device) DO UPDATE
          SET total = total + excluded.total, lastNonce = excluded.lastNonce,
            modifiedAt = excluded.modifiedAt
          WHERE lastNonce <> excluded.lastNonce
          """)
    }
  }

  func uncapturedCrashes(device: DeviceID) async throws -> Int {
    try await read { db in
      try SQLRequest<Int>("SELECT total FROM uncapturedCrashes WHERE device = \(device.text)")
        .fetchOne(db) ?? 0
    }
  }
}

private func located(_ db: Database, _ device: DeviceID) throws -> DeviceStanding {
  let epoch: SQLRequest<UInt32> = "SELECT epoch FROM consentEpochs WHERE device = \(device.text)"
  return DeviceStanding(
    device: device, placement: try placement(db, device),
    registration: try RegistrationRow.fetchOne(db, key: device.text)?.registration(db),
    epoch: try epoch.fetchOne(db) ?? 0)
}

private func placement(_ db: Database, _ device: DeviceID) throws -> Placement? {
  guard let row = try DeviceRow.fetchOne(db, key: device.text),
    let place = try LocatedGroup.find(db, groupID: row.deviceGroupId)
  else { return nil }
  guard let boundary = place.group.properties?.regionalDataBoundary else {
    throw place.group.unreadable
  }
  return Placement(
    device: device, group: place.reference, catalogID: place.catalog.id,
    productID: place.product.id, groupID: place.group.id, consent: place.group.consent,
    boundary: boundary)
}
