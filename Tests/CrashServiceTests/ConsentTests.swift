// Consent: off by default, and of one epoch.

import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ConsentTests {
  @Test func `without consent a dump is refused and nothing is stored`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.upload(sampleDump())
      #expect(answer.status == .forbidden)
      #expect(answer.code == "ConsentNotGiven")
      #expect(answer.message.contains("Field Test"))
      #expect(try await bench.dumps().isEmpty)
    }
  }

  @Test func `after a revocation a dump is refused`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let sealer = try await bench.sealer()
      #expect(try await bench.send(sealed: sealer.seal(sampleDump())).status == .created)
      try await bench.setConsent(.disabled)
      let key = DumpKey(bootCount: 2, sequence: 1)
      let answer = try await bench.send(sealed: sealer.seal(sampleDump(key: key)))
      #expect(answer.code == "ConsentNotGiven")
      #expect(try await bench.dumps().count == 1)
    }
  }

  @Test func `the epoch rises with every change of consent and every move`() async throws {
    try await ServiceBench.run { bench in
      var last = try await bench.epoch()
      func expectRise() async throws {
        let epoch = try await bench.epoch()
        #expect(epoch > last)
        last = epoch
      }
      try await bench.setConsent(.enabled)
      try await expectRise()
      try await bench.setConsent(.enabled)
      #expect(try await bench.epoch() == last)
      try await bench.setConsent(.disabled)
      try await expectRise()
      try await bench.setConsent(.enabled)
      try await expectRise()
      _ = try await bench.patch(
        ServiceBench.group.devicePath(ServiceBench.device),
        #"{"properties":{"deviceGroupId":"\#(ServiceBench.otherGroup.path)"}}"#)
      try await expectRise()
      _ = try await bench.claim(ServiceBench.device)
      try await expectRise()
      _ = try await bench.claim(ServiceBench.device)
      #expect(try await bench.epoch() == last)
      try await bench.setBoundary(.eu)
      try await expectRise()
      try await bench.setBoundary(.eu)
      #expect(try await bench.epoch() == last)
      _ = try await bench.put(ServiceBench.group.path, "{}")
      try await expectRise()
      _ = try await bench.send(.delete, ServiceBench.group.devicePath(ServiceBench.device))
      try await expectRise()
      _ = try await bench.claim(ServiceBench.device)
      try await expectRise()
      _ = try await bench.send(.delete, ServiceBench.catalog.path)
      try await expectRise()
    }
  }

  @Test func `the epoch does not go back when a catalog is made anew`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let before = try await bench.epoch()
      #expect(try await bench.send(.delete, ServiceBench.catalog.path).status == .ok)
      #expect(try await bench.upload(sampleDump()).status == .forbidden)
      for path in [
        ServiceBench.catalog.path, ServiceBench.product.path, ServiceBench.group.path,
      ] {
        #expect(try await bench.put(path, "{}").status == .created)
      }
      _ = try await bench.claim(ServiceBench.device)
      #expect(try await bench.epoch() > before)
    }
  }

  @Test func `a consent change in one group leaves the devices of others alone`() async throws {
    try await ServiceBench.run { bench in
      let before = try await bench.epoch()
      try await bench.setConsent(.enabled, ServiceBench.otherGroup)
      #expect(try await bench.epoch() == before)
    }
  }

  @Test func `uncaptured crashes are added up once per nonce`() async throws {
    try await ServiceBench.run { bench in
      let device = try #require(DeviceID(ServiceBench.device))
      _ = try await bench.lease(uncaptured: 3)
      _ = try await bench.lease(uncaptured: 3)
      _ = try await bench.lease(nonce: Array(16..<32), uncaptured: 4)
      #expect(try await bench.service.management.uncapturedCrashes(device: device) == 7)
    }
  }
}
