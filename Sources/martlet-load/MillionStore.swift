// Fills the stores of a service with dumps of the last 29 days, and of the day before.

import Crypto
import Foundation
import MartletTestKit
import SQLStorage
import ServiceAPI

/// A device group with the ids that rows are written with.
struct MillionGroup: Sendable {
  var reference: DeviceGroupReference
  var catalogID: String
  var productID: String
  var groupID: String
  var boundary: RegionalDataBoundary
  /// 128 hex digits each.
  var devices: [String]

  /// Devices whose dumps are in a region: without a boundary the id's last digit decides.
  func devices(in region: LoadRegion) -> [String] {
    switch region {
    case .eu: boundary == .eu ? devices : []
    case .usEast: boundary == .eu ? [] : devices.filter { Self.isEast($0) }
    case .usWest: boundary == .eu ? [] : devices.filter { !Self.isEast($0) }
    }
  }

  private static func isEast(_ device: String) -> Bool {
    device.last.flatMap { Int(String($0), radix: 16) }.map { $0 % 2 == 0 } ?? true
  }
}

/// Writes rows as the service writes them: with the tables that the service made, encrypted under keys of
/// their group and minute that are wrapped under its master key.
struct MillionStore: Sendable {
  /// Kinds of crashes in a group.
  private static let kinds: UInt64 = 50
  /// Dumps of a transaction.
  private static let together = 500
  private static let minute: Int64 = 60_000
  static let day: Int64 = 86_400_000

  let storage: LoadStorage
  let groups: [MillionGroup]
  let seed: UInt64

  /// Writes dumps into all regions, half of them into the EU, evenly over a time.
  /// - Parameters:
  ///   - times: milliseconds since 1970.
  ///   - size: bytes of each content.
  ///   - firstBoot: boot count of the first dump of all; those of a store differ.
  func fill(_ count: Int, over times: Range<Int64>, size: Int, firstBoot: UInt32) async throws {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for region in LoadRegion.allCases {
        let share = region == .eu ? count - 2 * (count / 4) : count / 4
        tasks.addTask {
          try await fill(region, share, over: times, size: size, firstBoot: firstBoot)
        }
      }
      try await tasks.waitForAll()
    }
  }

  private func fill(
    _ region: LoadRegion, _ count: Int, over times: Range<Int64>, size: Int, firstBoot: UInt32
  ) async throws {
    let dumps = try storage.database(.dumps(region))
    let keys = try storage.database(.keys(region))
    var writer = Writer(region: region, seed: seed ^ UInt64(firstBoot))
    let choices = groups.flatMap { group in
      group.devices(in: region).map { (group: group, device: $0) }
    }
    guard let loud = choices.first else { throw LoadFailure("\(region) has no devices") }
    let length = times.upperBound - times.lowerBound
    for start in stride(from: 0, to: count, by: Self.together) {
      var batch = Batch()
      for number in start..<min(start + Self.together, count) {
        let time = times.lowerBound + Int64(Double(number) / Double(count) * Double(length))
        // One device crashes again and again; the others are alike.
        let chosen =
          writer.generator.next() % 50 == 0
          ? loud : choices[Int(writer.generator.next() % UInt64(choices.count))]
        try writer.add(
          to: &batch, of: chosen.group, device: chosen.device, time: time, size: size,
          boot: firstBoot + UInt32(number))
      }
      try await makePartitions(of: batch.days, in: dumps, keys)
      let (keyRows, dumpRows) = (batch.keyStatements, batch.dumpStatements)
      try await keys.write { _ = try $0.runAll(keyRows) }
      try await dumps.write {
        // Pages of the indexes stay at hand.
        if $0.engine == .sqlite { try $0.script("PRAGMA cache_size = -200000") }
        _ = try $0.runAll(dumpRows)
      }
      if start % 50_000 == 0, start > 0 { progress("\(region.rawValue): \(start) of \(count)") }
    }
    try await dumps.close()
    try await keys.close()
  }

  /// Makes partitions as the service does, and again what it dropped because it is over.
  private func makePartitions(
    of days: Set<Int64>, in dumps: any SQLDatabase, _ keys: any SQLDatabase
  ) async throws {
    guard dumps.engine == .postgres else { return }
    for day in days.sorted() {
      for (database, table, values) in [
        (dumps, "dumps", "IN (\(day))"), (dumps, "contents", "IN (\(day))"),
        (keys, "retentionKeys", "FROM (\(day * 1440)) TO (\((day + 1) * 1440))"),
      ] {
        try await database.write {
          try $0.script(
            SQLText(
              raw: "CREATE TABLE IF NOT EXISTS \(table)_day_\(day) PARTITION OF \(table) "
                + "FOR VALUES \(values)"))
        }
      }
    }
  }

  /// The rows of one transaction in each of two databases, a list of values each.
  private struct Batch {
    var retentionKeys: [SQLText] = []
    var dumpKeys: [SQLText] = []
    var dumps: [SQLText] = []
    var contents: [SQLText] = []
    var kinds: [Kind: Int] = [:]
    var counts: [Crash: (number: Int, lastBoot: UInt32, time: Int64)] = [:]
    var windows: [Window: Int] = [:]

    struct Kind: Hashable {
      var group: String
      var catalog: String
      var product: String
      var fingerprint: String
      var day: Int64
    }

    struct Crash: Hashable {
      var device: String
      var fingerprint: String
    }

    struct Window: Hashable {
      var catalog: String
      var crash: Crash
      var day: Int64
    }

    var days: Set<Int64> { Set(kinds.keys.map(\.day)) }

    /// The statements for the database of keys: many rows in each, which both engines take quickest.
    var keyStatements: [SQLText] {
      Self.insert("retentionKeys (groupId, minute, wrapped)", retentionKeys)
    }

    /// Those for the database of dumps.
    var dumpStatements: [SQLText] {
      Self.insert("dumpKeys (deviceId, bootCount, sequence, dumpId, digest)", dumpKeys)
        + Self.insert(
          """
          dumps (day, id, deviceId, bootCount, sequence, catalogId, productId, groupId, catalog,
            product, deviceGroup, kind, fingerprint, buildId, imageVersion, uptimeMicroseconds,
            occurrences, consentEpoch, size, isTruncated, receivedAt, signature)
          """, dumps)
        + Self.insert("contents (day, dumpId, content)", contents)
        + Self.insert(
          "dumpKinds (groupId, fingerprint, day, catalogId, productId, buildId, number)",
          kinds.map { kind, number in
            """
            (\(kind.group), \(kind.fingerprint), \(kind.day), \(kind.catalog), \(kind.product),
              \(Writer.build), \(number))
            """
          },
          """
          ON CONFLICT (groupId, fingerprint, day)
          DO UPDATE SET number = dumpKinds.number + excluded.number
          """)
        + Self.insert(
          """
          crashCounts (deviceId, fingerprint, firstBoot, firstUptime, lastBoot, lastUptime, count,
            reportedAt)
          """,
          counts.map { crash, count in
            """
            (\(crash.device), \(crash.fingerprint), 1, 10, \(count.lastBoot), 10, \(count.number),
              \(count.time))
            """
          },
          """
          ON CONFLICT (deviceId, fingerprint, firstBoot) DO UPDATE SET
            count = crashCounts.count + excluded.count, lastBoot = excluded.lastBoot
          """)
        + Self.insert(
          "crashWindows (catalogId, day, deviceId, fingerprint, count)",
          windows.map { window, number in
            """
            (\(window.catalog), \(window.day), \(window.crash.device),
              \(window.crash.fingerprint), \(number))
            """
          },
          """
          ON CONFLICT (catalogId, day, deviceId, fingerprint)
          DO UPDATE SET count = crashWindows.count + excluded.count
          """)
    }

    private static func insert(_ table: SQLText, _ rows: [SQLText], _ conflict: SQLText = "")
      -> [SQLText]
    {
      guard !rows.isEmpty else { return [] }
      return ["INSERT INTO \(table) VALUES \(rows.joined(separator: ", ")) \(conflict)"]
    }
  }

  /// Makes rows, in the order of time.
  private struct Writer {
    static let build = String(repeating: "ab", count: 20)

    let region: LoadRegion
    var generator: SeededGenerator
    private let master = SymmetricKey(data: ServiceUnderLoad.masterKey)
    private var minute: Int64 = -1
    private var minuteKeys: [String: SymmetricKey] = [:]

    init(region: LoadRegion, seed: UInt64) {
      self.region = region
      generator = SeededGenerator(seed: seed ^ UInt64(region.rawValue.utf8.count) << 32)
    }

    mutating func add(
      to batch: inout Batch, of group: MillionGroup, device: String, time: Int64, size: Int,
      boot: UInt32
    ) throws {
      let key = try key(of: group.groupID, at: time, &batch)
      let id = dumpID(at: time)
      let day = time / MillionStore.day
      let fingerprint = Self.hex(
        (UInt64(group.groupID.prefix(4), radix: 16) ?? 0) << 16
          | generator.next() % MillionStore.kinds, 16)
      let words = "AppCrash (kind=usageFault; pc=0x00001234; lr=0x00000567; build=abababab)"
      let signature = try Self.seal(Data(words.utf8), key, "\(id)/signature")
      let content = try Self.seal(Data(noise(size)), key, "\(id)/content")
      let digest = Data(noise(32))
      let names = group.reference
      batch.dumpKeys.append("(\(device), \(boot), 1, \(id), \(digest))")
      batch.dumps.append(
        """
        (\(day), \(id), \(device), \(boot), 1, \(group.catalogID), \(group.productID),
          \(group.groupID), \(names.product.catalog.name), \(names.product.name), \(names.name),
          'usageFault', \(fingerprint), \(Self.build), '1.0.0', '12345678', 1, 1, \(size), 0,
          \(time), \(signature))
        """)
      batch.contents.append("(\(day), \(id), \(content))")
      let crash = Batch.Crash(device: device, fingerprint: fingerprint)
      batch.counts[crash] = ((batch.counts[crash]?.number ?? 0) + 1, boot, time)
      batch.windows[
        Batch.Window(catalog: group.catalogID, crash: crash, day: day), default: 0] += 1
      batch.kinds[
        Batch.Kind(
          group: group.groupID, catalog: group.catalogID, product: group.productID,
          fingerprint: fingerprint, day: day), default: 0] += 1
    }

    /// The key of a group and minute, made when it is the first dump's of them.
    private mutating func key(of group: String, at time: Int64, _ batch: inout Batch) throws
      -> SymmetricKey
    {
      let now = time / MillionStore.minute
      if now != minute {
        minute = now
        minuteKeys = [:]
      }
      if let known = minuteKeys[group] { return known }
      let made = SymmetricKey(size: .bits256)
      let wrapped = try Self.seal(
        made.withUnsafeBytes { Data($0) }, master,
        "\(region.rawValue)-keys/retention/\(group)/\(now)")
      batch.retentionKeys.append("(\(group), \(now), \(wrapped))")
      minuteKeys[group] = made
      return made
    }

    private static func seal(_ plain: Data, _ key: SymmetricKey, _ name: String) throws -> Data {
      try ChaChaPoly.seal(plain, using: key, authenticating: Data(name.utf8)).combined
    }

    /// As the service names dumps: its region, and a UUID of version 7.
    private mutating func dumpID(at time: Int64) -> String {
      let when = Self.hex(UInt64(time), 12)
      let chance = Self.hex(generator.next(), 16)
      let more = Self.hex(generator.next() >> 48, 4)
      return "\(region.rawValue)-\(when.prefix(8))-\(when.dropFirst(8))-7\(chance.prefix(3))-"
        + "8\(chance.dropFirst(3).prefix(3))-\(chance.suffix(8))\(more)"
    }

    private mutating func noise(_ size: Int) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(size + 8)
      while bytes.count < size {
        withUnsafeBytes(of: generator.next()) { bytes += $0 }
      }
      return Array(bytes.prefix(size))
    }

    private static func hex(_ number: UInt64, _ digits: Int) -> String {
      let text = String(number, radix: 16)
      return String(repeating: "0", count: max(0, digits - text.count)) + text.suffix(digits)
    }
  }
}
