// Many boards with the same new crash: each wanted dump is promised to one of them.

import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct PromiseTests {
  /// Offers of as many devices, placed in the group of the bench's device, that nobody claimed.
  private func offers(_ bench: ServiceBench, _ count: Int, in boundary: RegionalDataBoundary)
    async throws -> [OfferedDump]
  {
    var placement = try #require(
      try await bench.service.management.standing(of: BenchDevice.even.id).placement)
    placement.boundary = boundary
    return try (0..<count).map { number in
      var id = [UInt8](repeating: 0, count: 64)
      withUnsafeBytes(of: UInt32(number)) { id.replaceSubrange(60..., with: $0) }
      placement.device = try #require(DeviceID(bytes: id))
      return OfferedDump(
        placement: placement, key: DumpKey(bootCount: 1, sequence: 1),
        fingerprint: "00000000000000aa")
    }
  }

  @Test(arguments: [RegionalDataBoundary.eu, .unbounded])
  func `of a thousand boards as many are to send as dumps are wanted`(
    boundary: RegionalDataBoundary
  ) async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 10)) { bench in
      try await bench.setConsent(.enabled)
      let offers = try await offers(bench, 1000, in: boundary)
      let desk = bench.service.dumps.desk(of: boundary)
      let now = milliseconds(bench.clock.now)
      let verdicts = try await withThrowingTaskGroup(of: [OfferAnswer.Verdict].self) { group in
        for offer in offers { group.addTask { try await desk.judge([offer], now: now) } }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(verdicts.count { $0 == .send } == 10)
      #expect(verdicts.count { $0 == .later } == 990)
    }
  }

  @Test func `a promise is kept for the one who has it, and passes on when its time is over`()
    async throws
  {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      let offers = try await offers(bench, 3, in: .unbounded)
      let desk = bench.service.dumps.desk(of: .unbounded)
      func ask(_ index: Int) async throws -> OfferAnswer.Verdict? {
        try await desk.judge([offers[index]], now: milliseconds(bench.clock.now)).first
      }
      #expect(try await ask(0) == .send)
      #expect(try await ask(1) == .later)
      // Whoever has it may ask again.
      #expect(try await ask(0) == .send)
      bench.clock.advance(seconds: TimeInterval(Promises.seconds))
      #expect(try await ask(2) == .send)
      #expect(try await ask(0) == .later)
      #expect(try await ask(1) == .later)
    }
  }

  @Test func `a promise survives a restart, and is not given twice`() async throws {
    let folder = TestFolder()
    let clock = TestClock()
    try await ServiceBench.run(
      folder: folder, clock: clock, limits: ServiceLimits(dumpsPerGroup: 1)
    ) { bench in
      try await bench.setConsent(.enabled)
      let offers = try await offers(bench, 2, in: .unbounded)
      let desk = bench.service.dumps.desk(of: .unbounded)
      #expect(try await desk.judge([offers[0]], now: milliseconds(clock.now)) == [.send])
    }
    try await ServiceBench.run(
      folder: folder, setUp: false, clock: clock, limits: ServiceLimits(dumpsPerGroup: 1)
    ) { bench in
      let offers = try await offers(bench, 2, in: .unbounded)
      let desk = bench.service.dumps.desk(of: .unbounded)
      #expect(try await desk.judge([offers[1]], now: milliseconds(clock.now)) == [.later])
    }
  }

  /// Odd and even store in two regions, and are promised at one desk.
  @Test(arguments: [ServiceBench.device, ServiceBench.oddDevice])
  func `a stored dump ends its promise, in whatever region it lies`(device: String) async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 2)) { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      let epoch = try await bench.epoch(device)
      let offers = (UInt32(1)...3).map { bench.offer(bootCount: $0, epoch: epoch) }
      #expect(try await bench.verdicts([offers[0]], device: device) == [.send])
      #expect(try await bench.upload(sampleDump(), device: device).status == .created)
      #expect(try await bench.verdicts([offers[1]], device: device) == [.send])
      #expect(try await bench.verdicts([offers[2]], device: device) == [.later])
    }
  }

  @Test func `limits of the device and of the catalog hold beside the group's`() async throws {
    let limits = ServiceLimits(dumpsPerGroup: 0, dumpsPerDevice: 1, dumpsPerFleet: 2)
    try await ServiceBench.run(limits: limits) { bench in
      let offers = try await offers(bench, 3, in: .unbounded)
      let desk = bench.service.dumps.desk(of: .unbounded)
      var again = offers[0]
      again.key = DumpKey(bootCount: 2, sequence: 1)
      var elsewhere = offers[2]
      elsewhere.placement.groupID = "another"
      #expect(
        try await desk.judge(
          [offers[0], again, offers[1], elsewhere], now: milliseconds(bench.clock.now))
          == [.send, .later, .send, .later])
      elsewhere.placement.catalogID = "another"
      #expect(
        try await desk.judge([elsewhere], now: milliseconds(bench.clock.now)) == [.send])
    }
  }

  @Test func `a dump that is offered twice at once is promised once`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      let offer = bench.offer(bootCount: 1, epoch: try await bench.epoch())
      var other = offer
      other.sequence += 1
      #expect(
        try await bench.verdicts([offer, offer, other, offer]) == [.send, .send, .later, .send])
      #expect(try await bench.verdicts([other, offer]) == [.later, .send])
    }
  }

  @Test func `a bridge is told when to offer again`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerGroup: 1)) { bench in
      try await bench.setConsent(.enabled)
      let epoch = try await bench.epoch()
      func answer(_ boots: [UInt32]) async throws -> OfferAnswer {
        let body = try ServiceJSON.encoder().encode(
          OfferRequest(offers: boots.map { bench.offer(bootCount: $0, epoch: epoch) }))
        return try await bench.send(
          .post, DevicePath.offers(device: ServiceBench.device), .init(bytes: body)
        ).decoded()
      }
      let both = try await answer([1, 2])
      #expect(both.verdicts == [.send, .later])
      #expect(both.retryAfterSeconds == 30)
      #expect(try await answer([1]).retryAfterSeconds == nil)
    }
  }
}
