// Enough is enough: fingerprints of which a group holds as many dumps as it may.

import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

private let build = "0102030405060708090a0b0c0d0e0f1011121314"

@Suite struct ThrottleTests {
  /// Sends as many dumps of one fingerprint.
  private func fill(
    _ bench: ServiceBench, _ number: UInt32, from first: UInt32 = 1,
    device: String = ServiceBench.device
  ) async throws {
    let sealer = try await bench.sealer(device)
    for boot in first..<first + number {
      let dump = sampleDump(key: DumpKey(bootCount: boot, sequence: 1))
      #expect(try await bench.send(sealed: sealer.seal(dump), device: device).status == .created)
    }
  }

  @Test func `beyond the limit of a group offers are skipped and counted once`() async throws {
    let limits = ServiceLimits(dumpsPerGroup: 3)
    try await ServiceBench.run(limits: limits) { bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 2)
      let epoch = try await bench.epoch()
      let offers = (UInt32(2)...5).map { bench.offer(bootCount: $0, epoch: epoch) }
      // One place is left, and the first has it.
      #expect(try await bench.verdicts(offers) == [.stored, .send, .later, .later])
      #expect(try await bench.verdicts(offers) == [.stored, .send, .later, .later])
      try await fill(bench, 1, from: 3)
      #expect(try await bench.verdicts(offers) == [.stored, .stored, .skip, .skip])
      #expect(try await bench.verdicts(offers) == [.stored, .stored, .skip, .skip])
      let other = bench.offer(bootCount: 9, epoch: epoch, fingerprint: "00000000000000FF")
      #expect(try await bench.verdicts([other]) == [.send])
      _ = try await bench.send(
        .post, DevicePath.counts(device: ServiceBench.device),
        .init(
          bytes: try ServiceJSON.encoder().encode(
            CountRequest(counts: [
              .init(
                fingerprint: "0102030405060708", firstBoot: 1, firstUptimeSeconds: nil, lastBoot: 5,
                lastUptimeSeconds: nil, count: 5)
            ]))))
      let crashes = try await bench.get(DeviceCrashesPath.crashes(device: ServiceBench.device))
        .decoded(DeviceCrashes.self)
      #expect(crashes.skippedDumps == 2)
      #expect(crashes.fingerprints.map(\.skippedDumps) == [2])
      #expect(crashes.total == 5)
    }
  }

  @Test(arguments: [1, 2, 3, 63, 64, 65, 255, 256])
  func `as many offers as a request may hold are answered in their order`(count: Int) async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 1)
      let epoch = try await bench.epoch()
      let offers = (1...UInt32(count)).map { bench.offer(bootCount: $0, epoch: epoch) }
      let verdicts = try await bench.verdicts(offers)
      #expect(verdicts == [.stored] + [OfferAnswer.Verdict](repeating: .skip, count: count - 1))
      let counts = try await bench.service.dumps.skipped(
        of: try #require(DeviceID(ServiceBench.device)), now: bench.clock.now)
      #expect(counts.values.reduce(0, +) == count - 1)
    }
  }

  @Test func `what an earlier version skipped is counted still, and for 29 days`() async throws {
    let folder = TestFolder()
    let clock = TestClock()
    let device = try #require(DeviceID(ServiceBench.device))
    try await ServiceBench.run(folder: folder, clock: clock) { bench in
      let database = bench.service.dumps.usEast.database
      let now = milliseconds(clock.now)
      try await database.write { db in
        let (text, integer) = (db.engine.text, db.engine.integer)
        try db.script(
          """
          DROP TABLE skips;
          DELETE FROM migrations WHERE name = 'skips';
          CREATE TABLE skippedDumps (
            deviceId \(text) NOT NULL, bootCount \(integer) NOT NULL, sequence \(integer) NOT NULL,
            fingerprint \(text) NOT NULL, groupId \(text) NOT NULL, skippedAt \(integer) NOT NULL,
            PRIMARY KEY (deviceId, bootCount, sequence))
          """)
        // More than are moved at once, of two devices.
        for boot in 0..<UInt32(600) {
          for id in [device.text, ServiceBench.oddDevice] {
            try db.run(
              """
              INSERT INTO skippedDumps VALUES (\(id), \(boot), 1, '00000000000000aa', 'g', \(now))
              """)
          }
        }
      }
    }
    try await ServiceBench.run(folder: folder, setUp: false, clock: clock) { bench in
      let dumps = bench.service.dumps
      #expect(try await dumps.skipped(of: device, now: clock.now) == ["00000000000000aa": 600])
      clock.advance(seconds: 28 * 86_400)
      _ = try await bench.service.deleteOverdue()
      #expect(try await dumps.skipped(of: device, now: clock.now) == ["00000000000000aa": 600])
      clock.advance(seconds: 2 * 86_400)
      _ = try await bench.service.deleteOverdue()
      #expect(try await dumps.skipped(of: device, now: clock.now) == [:])
    }
  }

  @Test func `a skip counts once wherever it lies, and for 29 days`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 1)
      let epoch = try await bench.epoch()
      let device = try #require(DeviceID(ServiceBench.device))
      let database = bench.service.dumps.usEast.database
      func skipped() async throws -> Int {
        try await bench.service.dumps.skipped(of: device, now: bench.clock.now).values.reduce(0, +)
      }
      let offers = (11...15).map { bench.offer(bootCount: $0, epoch: epoch) }
      #expect(try await bench.verdicts(offers) == [OfferAnswer.Verdict](repeating: .skip, count: 5))
      #expect(try await skipped() == 5)
      // Too few to be brought to the others, and then enough.
      for most in [5, 4] {
        try await database.write { try DumpStore.settleSkips($0, above: most) }
        #expect(try await skipped() == 5)
        if database.engine == .sqlite {
          let new = try await database.read { db -> Int? in
            try db.value("SELECT count(*) AS value FROM newSkips")
          }
          #expect(new == (most == 5 ? 5 : 0))
        }
      }
      let again = offers + [bench.offer(bootCount: 16, epoch: epoch)]
      _ = try await bench.verdicts(again)
      #expect(try await skipped() == 6)
      bench.clock.advance(seconds: 28 * 86_400)
      _ = try await bench.service.deleteOverdue()
      #expect(try await skipped() == 6)
      bench.clock.advance(seconds: 2 * 86_400)
      _ = try await bench.service.deleteOverdue()
      #expect(try await skipped() == 0)
    }
  }

  @Test func `a dump that is offered again the next day is skipped once`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 1)
      let offer = bench.offer(bootCount: 7, epoch: try await bench.epoch())
      let device = try #require(DeviceID(ServiceBench.device))
      for _ in 0..<2 {
        #expect(try await bench.verdicts([offer]) == [.skip])
        bench.clock.advance(seconds: 86_400)
      }
      let skipped = try await bench.service.dumps.skipped(of: device, now: bench.clock.now)
      #expect(Array(skipped.values) == [1])
    }
  }

  @Test func `all devices of a group count together, those of others do not`() async throws {
    let limits = ServiceLimits(dumpsPerGroup: 2)
    try await ServiceBench.run(limits: limits) { bench in
      try await bench.setConsent(.enabled)
      try await bench.setConsent(.enabled, ServiceBench.otherGroup)
      try await bench.addOddDevice()
      // They store in two regions.
      try await fill(bench, 1)
      try await fill(bench, 1, device: ServiceBench.oddDevice)
      func verdict(_ device: String) async throws -> [OfferAnswer.Verdict] {
        let epoch = try await bench.epoch(device)
        return try await bench.verdicts([bench.offer(bootCount: 7, epoch: epoch)], device: device)
      }
      #expect(try await verdict(ServiceBench.device) == [.skip])
      #expect(try await verdict(ServiceBench.oddDevice) == [.skip])
      _ = try await bench.claim(ServiceBench.oddDevice, into: ServiceBench.otherGroup)
      #expect(try await verdict(ServiceBench.oddDevice) == [.send])
    }
  }

  @Test func `a stored dump is told as stored, whatever there is enough of and wherever it lies`()
    async throws
  {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      for device in [ServiceBench.device, ServiceBench.oddDevice] {
        try await fill(bench, 1, device: device)
      }
      for device in [ServiceBench.device, ServiceBench.oddDevice] {
        let epoch = try await bench.epoch(device)
        let offers = (UInt32(1)...2).map { bench.offer(bootCount: $0, epoch: epoch) }
        #expect(try await bench.verdicts(offers, device: device) == [.stored, .skip])
      }
    }
  }

  @Test func `after 29 days a dump counts no more`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 2)) { bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 2)
      let epoch = try await bench.epoch()
      let offer = bench.offer(bootCount: 7, epoch: epoch)
      bench.clock.advance(seconds: 29 * 86_400 - 1)
      #expect(try await bench.verdicts([offer]) == [.skip])
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [0x0506_0708])
      bench.clock.advance(seconds: 1)
      try await bench.service.deleteOverdue()
      #expect(try await bench.verdicts([offer]) == [.send])
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [])
    }
  }

  @Test func `without a limit everything is taken`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 0, dumpsPerDevice: 0)) {
      bench in
      try await bench.setConsent(.enabled)
      try await fill(bench, 12)
      let epoch = try await bench.epoch()
      #expect(try await bench.verdicts([bench.offer(bootCount: 99, epoch: epoch)]) == [.send])
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [])
    }
  }

  @Test func `a lease tells the fingerprints that are known, of that image alone`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 2)) { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [])
      try await fill(bench, 1)
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [])
      try await fill(bench, 1, from: 2)
      let lease = try await bench.parsedLease(buildID: build.uppercased())
      #expect(lease.knownFingerprints == [0x0506_0708])
      #expect(lease.bytes.count == 136 + 64)
      let offer = try await bench.offer().decoded(ProvisioningOffer.self)
      #expect(try lease.isSigned(by: offer.signingKey))
      let other = String(repeating: "ff", count: 20)
      #expect(try await bench.parsedLease(buildID: other).knownFingerprints == [])
      try await bench.setConsent(.disabled)
      #expect(try await bench.parsedLease(buildID: build).knownFingerprints == [])
    }
  }

  @Test func `a lease tells twelve at most, those with the most dumps`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      let sealer = try await bench.sealer()
      var boot: UInt32 = 0
      for kind in UInt64(1)...14 {
        // The last two kinds twice.
        for _ in 0..<(kind > 12 ? 2 : 1) {
          boot += 1
          let dump = sampleDump(
            key: DumpKey(bootCount: boot, sequence: 1), fingerprint: 0xABCD_0000_0000_0000 | kind)
          #expect(try await bench.send(sealed: sealer.seal(dump)).status == .created)
        }
      }
      let lease = try await bench.parsedLease(buildID: build)
      #expect(lease.knownFingerprints == [13, 14] + Array(1...10))
      #expect(lease.bytes.count == 244)
    }
  }
}
