// What a lease says, who signed it, and who gets none.

import Crypto
import DumpFormat
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct LeaseTests {
  @Test func `an allowed lease carries the bytes of the format and the catalog's signature`()
    async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let nonce: [UInt8] = (0..<16).map { $0 &* 7 }
      let answer = try await bench.lease(nonce: nonce).decoded(LeaseAnswer.self)
      #expect(answer.allowed)
      #expect(answer.lifetimeSeconds == 172_800)
      let bytes = [UInt8](answer.lease)
      try #require(bytes.count == 132 + 64)
      let lease = ParsedLease(bytes: bytes)
      #expect(Array(bytes[0..<8]) == [0x4D, 0x4C, 2, 1, 1, 3, 0, 0])
      #expect(Array(bytes[8..<24]) == nonce)
      #expect(lease.epoch == answer.epoch)
      #expect(Array(bytes[28..<32]) == [0x00, 0xA3, 0x02, 0x00])
      #expect(Array(bytes[32..<96]) == DeviceID(ServiceBench.device)?.bytes)
      // US East, January 2027: the bench's clock stands there.
      #expect(lease.sealingKeyID == 2 << 24 | 2027 * 12)
      #expect(lease.sealingKey.contains { $0 != 0 })
      let offer = try await bench.offer().decoded(ProvisioningOffer.self)
      #expect(try lease.isSigned(by: offer.signingKey))
      #expect(try !lease.isSigned(by: P256.Signing.PrivateKey().publicKey.rawRepresentation))
    }
  }

  @Test func `a denial is signed, lasts no second and carries no key`() async throws {
    try await ServiceBench.run { bench in
      let answer = try await bench.lease().decoded(LeaseAnswer.self)
      #expect(!answer.allowed)
      #expect(answer.lifetimeSeconds == 0)
      let lease = ParsedLease(bytes: [UInt8](answer.lease))
      #expect(lease.bytes.count == 132 + 64)
      #expect(!lease.isAllowed)
      #expect(lease.lifetime == 0)
      #expect(lease.bytes[96..<132].allSatisfy { $0 == 0 })
      let offer = try await bench.offer().decoded(ProvisioningOffer.self)
      #expect(try lease.isSigned(by: offer.signingKey))
    }
  }

  @Test func `each catalog signs with a key of its own, for good`() async throws {
    let folder = TestFolder()
    let other = CatalogReference(scope: ServiceBench.scope, name: "other")
    let keys = Box<[Data]>([])
    @Sendable func signingKeys(_ bench: ServiceBench) async throws -> [Data] {
      [
        try await bench.offer().decoded(ProvisioningOffer.self).signingKey,
        try await bench.offer(other).decoded(ProvisioningOffer.self).signingKey,
      ]
    }
    try await ServiceBench.run(folder: folder) { bench in
      _ = try await bench.put(other.path, "{}")
      keys.value = try await signingKeys(bench)
      #expect(Set(keys.value).count == 2)
      // Devices trust no other key, so a catalog that is made again has it.
      _ = try await bench.send(.delete, other.path)
      _ = try await bench.put(other.path, "{}")
      #expect(try await signingKeys(bench) == keys.value)
    }
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      let found = try await signingKeys(bench)
      #expect(found == keys.value, "lost by a restart")
    }
  }

  @Test func `a device of a deleted catalog is told so by the key it trusts`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let key = try await bench.offer().decoded(ProvisioningOffer.self).signingKey
      #expect(try await bench.send(.delete, ServiceBench.catalog.path).status == .ok)
      let lease = try await bench.parsedLease()
      #expect(!lease.isAllowed)
      #expect(try lease.isSigned(by: key))
    }
  }

  @Test func `a claimed device whose key is not registered gets no lease and a hint`() async throws
  {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      _ = try await bench.claim(ServiceBench.oddDevice)
      let answer = try await bench.lease(ServiceBench.oddDevice)
      #expect(answer.status == .conflict)
      #expect(answer.code == "DeviceNotProvisioned")
      #expect(answer.message.contains("martlet-bridge provision"))
    }
  }

  @Test func `a registered device that nobody claimed is denied`() async throws {
    try await ServiceBench.run { bench in
      #expect(try await bench.provision(ServiceBench.oddDevice).status == .created)
      let lease = try await bench.parsedLease(ServiceBench.oddDevice)
      #expect(!lease.isAllowed)
    }
  }

  @Test func `a lease for an unknown device or with a short nonce is refused`() async throws {
    try await ServiceBench.run { bench in
      let unknown = try await bench.lease(ServiceBench.oddDevice)
      #expect(unknown.status == .notFound)
      #expect(unknown.code == "DeviceNotFound")
      #expect(try await bench.lease("zz").status == .badRequest)
      #expect(try await bench.lease(nonce: [1, 2, 3]).status == .badRequest)
    }
  }

  @Test(arguments: [0, 3, 255] as [UInt8])
  func `a lease carries how many dumps of a kind the device keeps`(number: UInt8) async throws {
    try await ServiceBench.run(limits: ServiceLimits(dumpsPerDevice: number)) { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.parsedLease().dumpsPerFingerprint == number)
    }
  }

  @Test func `each region and month has a sealing key of its own`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      try await bench.addOddDevice()
      let east = try await bench.parsedLease()
      let west = try await bench.parsedLease(ServiceBench.oddDevice)
      #expect(west.sealingKeyID == 3 << 24 | 2027 * 12)
      try await bench.setBoundary(.eu)
      let eu = try await bench.parsedLease()
      #expect(eu.sealingKeyID == 1 << 24 | 2027 * 12)
      #expect(try await bench.parsedLease().sealingKey == eu.sealingKey)
      bench.clock.advance(seconds: 31 * 86_400)
      let february = try await bench.parsedLease()
      #expect(february.sealingKeyID == 1 << 24 | (2027 * 12 + 1))
      #expect(
        Set([east, west, eu, february].map(\.sealingKey)).count == 4)
    }
  }

  @Test func `devices that ask at once in a new month get one key`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      let keys = try await withThrowingTaskGroup(of: [UInt8].self) { tasks in
        for _ in 0..<16 { tasks.addTask { try await bench.parsedLease().sealingKey } }
        return try await tasks.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
      }
      #expect(keys.count == 1)
    }
  }
}
