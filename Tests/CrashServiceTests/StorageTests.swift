// What lies on disk: in which region, and after a restart.

import DumpFormat
import Foundation
import GRDB
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct StorageTests {
  @Test(.onSQLite) func `a dump of an EU group lies in the EU store alone`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      try await bench.setBoundary(.eu)
      #expect(try await bench.upload(sampleDump()).status == .created)
      #expect(try await bench.dumps().first?.region == "EU")
      #expect(try storesHolding(ServiceBench.device, folder) == ["eu.sqlite"])
    }
    #expect(try storesHolding(ServiceBench.device, folder) == ["eu.sqlite"])
  }

  @Test(
    .onSQLite,
    arguments: [
      (ServiceBench.device, "us-east.sqlite", "USEast"),
      (ServiceBench.oddDevice, "us-west.sqlite", "USWest"),
    ])
  func `without a boundary the device's last digit picks East or West`(
    device: String, file: String, region: String
  ) async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      _ = try await bench.upload(sampleDump(), device: device)
      #expect(try await bench.dumps().map(\.region) == [region])
    }
    #expect(try storesHolding(device, folder) == [file])
  }

  @Test func `a key that another region holds already is a conflict there and here`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      try await bench.setBoundary(.eu)
      let again = try await bench.upload(sampleDump())
      #expect(again.status == .conflict)
      #expect(again.code == "DumpKeyTaken")
      #expect(try await bench.dumps().map(\.region) == ["USEast"])
    }
  }

  @Test func `a restart on the same folder keeps everything`() async throws {
    let folder = TestFolder()
    let epoch = Box<UInt32>(0)
    let sent = Box<[UInt8]>([])
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      try await bench.setBoundary(.eu)
      sent.value = try await bench.sealer().seal(sampleDump())
      _ = try await bench.send(sealed: sent.value)
      epoch.value = try await bench.epoch()
    }
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      let group = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(group.properties.allowCrashDumpsCollection == .enabled)
      #expect(group.properties.regionalDataBoundary == .eu)
      #expect(try await bench.epoch() == epoch.value)
      let dump = try #require(try await bench.dumps().first)
      let content = try await bench.get(DumpPath.content(dump.id))
      #expect(
        Array(content.body.readableBytesView) == sampleDump(consentEpoch: epoch.value))
      #expect(try await bench.send(sealed: sent.value).status == .ok)
    }
  }

  @Test(.onSQLite) func `a commit waits for the disk`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      let dumps = bench.service.dumps.eu.database
      for database in [dumps, bench.service.management.database] {
        let (mode, level) = try await database.write { db in
          (
            try db.row("PRAGMA journal_mode")?["journal_mode"] as String?,
            try db.row("PRAGMA synchronous")?["synchronous"] as Int?
          )
        }
        #expect(mode == "wal")
        #expect(level == 2)
      }
    }
  }

  @Test func `a second service on the same folder is refused`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder, setUp: false) { _ in
      await #expect {
        _ = try await CrashService(dataFolder: folder.url, masterKey: ServiceBench.masterKey)
      } throws: {
        ($0 as? ServiceStartFailure)?.code == .folderInUse
      }
    }
  }

  @Test func `a store that is no database is named at the start`() async throws {
    let folder = TestFolder()
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    try Data(repeating: 0x5A, count: 8192).write(to: folder.url.appending(path: "eu.sqlite"))
    await #expect {
      _ = try await CrashService(dataFolder: folder.url, masterKey: ServiceBench.masterKey)
    } throws: {
      ($0 as? ServiceStartFailure)?.code == .storeDamaged
    }
  }

  /// The dump stores whose files name a device, whose id is not secret; a write-ahead log counts as its
  /// store. Open stores have their newest pages there, so all files are searched.
  private func storesHolding(_ device: String, _ folder: TestFolder) throws -> Set<String> {
    let holding = try folder.files().filter { $0.content.range(of: Data(device.utf8)) != nil }
    return Set(holding.map { $0.path.replacing("-wal", with: "") }).subtracting(["martlet.sqlite"])
  }
}
