// Revocation in every way there is: effective from the commit on.

import DumpFormat
import DumpOpening
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

/// A way to take back the consent under which ``ServiceBench/device`` captures.
enum Revocation: CaseIterable {
  case group, allGroups, boundary, move, unclaim, catalog

  func run(_ bench: ServiceBench) async throws {
    switch self {
    case .group: try await bench.setConsent(.disabled)
    case .allGroups:
      let groups = try await bench.post(ServiceBench.catalog.listDeviceGroupsPath)
        .decoded(ResourceList<DeviceGroupResource>.self).value
      for group in groups {
        let json = #"{"properties":{"allowCrashDumpsCollection":"Disabled"}}"#
        #expect(try await bench.patch(group.id, json).status == .ok)
      }
    case .boundary: try await bench.setBoundary(.eu)
    case .move:
      let json = #"{"properties":{"deviceGroupId":"\#(ServiceBench.otherGroup.path)"}}"#
      let path = ServiceBench.group.devicePath(ServiceBench.device)
      #expect(try await bench.patch(path, json).status == .ok)
    case .unclaim:
      let path = ServiceBench.group.devicePath(ServiceBench.device)
      #expect(try await bench.send(.delete, path).status == .ok)
    case .catalog:
      #expect(try await bench.send(.delete, ServiceBench.catalog.path).status == .ok)
    }
  }

  /// Whether the device's owner still consents to something afterwards, only not to this.
  var leavesConsent: Bool { self == .boundary || self == .move }
}

@Suite struct RevocationTests {
  /// Both groups consent, so that a move leads from consent to consent.
  private func consent(_ bench: ServiceBench) async throws {
    try await bench.setConsent(.enabled)
    try await bench.setConsent(.enabled, ServiceBench.otherGroup)
  }

  @Test(arguments: Revocation.allCases)
  func `after it dumps of the consent before are refused, offers too, and the bridge is told`(
    revocation: Revocation
  ) async throws {
    try await ServiceBench.run { bench in
      try await consent(bench)
      let sealer = try await bench.sealer()
      let stored = try sealer.seal(sampleDump())
      #expect(try await bench.send(sealed: stored).status == .created)
      try await revocation.run(bench)

      let late = try sealer.seal(sampleDump(key: DumpKey(bootCount: 2, sequence: 1)))
      for dump in [late, stored] {
        let answer = try await bench.send(sealed: dump)
        #expect(answer.status == .forbidden)
        #expect(answer.code == (revocation.leavesConsent ? "ConsentOver" : "ConsentNotGiven"))
      }
      let offers = [1, 2].map {
        bench.offer(bootCount: $0, epoch: sealer.consentEpoch)
      }
      #expect(try await bench.verdicts(offers) == [.refused, .refused])
      let consents = try await bench.consents([ServiceBench.device])
        .decoded(ConsentAnswer.self).consents
      #expect(consents.map(\.isKnown) == [true])
      #expect(consents.map(\.allowed) == [revocation.leavesConsent])
      #expect(consents[0].epoch > sealer.consentEpoch)
      let lease = try await bench.parsedLease()
      #expect(lease.isAllowed == revocation.leavesConsent)
      #expect(lease.epoch == consents[0].epoch)
    }
  }

  @Test(arguments: Revocation.allCases)
  func `no dump is stored after one that came while it was on its way`(revocation: Revocation)
    async throws
  {
    try await ServiceBench.run { bench in
      try await consent(bench)
      let sealer = try await bench.sealer()
      let dumps = try (UInt32(1)...50).map {
        try sealer.seal(sampleDump(key: DumpKey(bootCount: $0, sequence: 1)))
      }
      // Many uploads race with one revocation; whatever is stored was stored before it committed.
      let store = bench.service.dumps
      let device = BenchDevice.even.id
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for dump in dumps[..<40] {
          tasks.addTask {
            let answer = try await bench.send(sealed: dump)
            #expect([.created, .forbidden].contains(answer.status))
          }
        }
        tasks.addTask {
          try await revocation.run(bench)
          let stored = try await self.stored(store, device)
          for dump in dumps[40...] {
            #expect(try await bench.send(sealed: dump).status == .forbidden)
          }
          #expect(try await self.stored(store, device) == stored)
        }
        try await tasks.waitForAll()
      }
    }
  }

  private func stored(_ dumps: DumpStores, _ device: DeviceID) async throws -> Int {
    var filter = DumpFilter()
    filter.device = device
    return try await dumps.count(filter)
  }

  @Test(arguments: Revocation.allCases)
  func `one that comes while a dump is being stored waits for it`(revocation: Revocation)
    async throws
  {
    try await ServiceBench.run { bench in
      try await consent(bench)
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let (ended, end) = AsyncStream.makeStream(of: Void.self)
      let order = OrderLog()
      let management = bench.service.management
      let gate = management.gate
      async let held: Void = management.holdingStanding(of: BenchDevice.even.id) { standing in
        #expect(standing.isAllowed)
        begin.finish()
        for await _ in ended {}
        order.add("stored")
      }
      for await _ in begun {}
      async let revoked: Void = {
        try await revocation.run(bench)
        order.add("revoked")
      }()
      // The revocation is under way before the dump is done.
      while gate.waitingCount == 0, order.entries.isEmpty { await Task.yield() }
      end.finish()
      try await held
      try await revoked
      #expect(order.entries == ["stored", "revoked"])
    }
  }

  @Test func `consent given again does not bring back dumps of the one before`() async throws {
    try await ServiceBench.run { bench in
      try await consent(bench)
      let before = try await bench.sealer()
      try await bench.setConsent(.disabled)
      try await bench.setConsent(.enabled)
      #expect(try await bench.send(sealed: before.seal(sampleDump())).code == "ConsentOver")
      #expect(try await bench.upload(sampleDump()).status == .created)
    }
  }

  @Test func `a dump that claims an epoch that never was is refused`() async throws {
    try await ServiceBench.run { bench in
      try await consent(bench)
      let lease = try await bench.parsedLease()
      let sealer = try DumpSealer(
        devicePrivateKey: BenchDevice.even.privateKey,
        sealingKey: .init(rawRepresentation: lease.sealingKey), sealingKeyID: lease.sealingKeyID,
        consentEpoch: lease.epoch + 1)
      let answer = try await bench.send(sealed: sealer.seal(sampleDump()))
      #expect(answer.status == .forbidden)
    }
  }

  @Test func `unclaiming twice, or from another group, does nothing`() async throws {
    try await ServiceBench.run { bench in
      let wrong = ServiceBench.otherGroup.devicePath(ServiceBench.device)
      let right = ServiceBench.group.devicePath(ServiceBench.device)
      let answer = try await bench.send(.delete, wrong)
      #expect(answer.status == .noContent)
      #expect(try await bench.get(right).status == .ok)
      #expect(try await bench.send(.delete, right).status == .ok)
      #expect(try await bench.send(.delete, right).status == .noContent)
      #expect(try await bench.get(right).status == .notFound)
    }
  }

  @Test func `consents are told for many devices at once`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.provision(ServiceBench.oddDevice).status == .created)
      let unknown = String(repeating: "0", count: 128)
      let consents = try await bench.consents([
        ServiceBench.device.uppercased(), unknown, ServiceBench.oddDevice,
      ]).decoded(ConsentAnswer.self).consents
      #expect(consents.map(\.isKnown) == [true, false, true])
      #expect(consents.map(\.allowed) == [true, false, false])
      let epoch = try await bench.epoch()
      #expect(consents[0].epoch == epoch)
      #expect(try await bench.consents([]).decoded(ConsentAnswer.self).consents.isEmpty)
      #expect(try await bench.consents(["xy"]).status == .badRequest)
      let many = [String](repeating: unknown, count: 257)
      #expect(try await bench.consents(many).status == .badRequest)
      #expect(try await bench.consents(many.dropLast()).status == .ok)
    }
  }
}
