// How a device's key is registered, and how it is not.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ProvisioningTests {
  private static let other = CatalogReference(scope: ServiceBench.scope, name: "other")
  private static let otherGroup = DeviceGroupReference(
    product: ProductReference(catalog: other, name: "DW200"), name: "Lab")

  /// A bench with a second catalog.
  private func run(_ body: @escaping @Sendable (ServiceBench) async throws -> Void) async throws {
    try await ServiceBench.run { bench in
      for path in [Self.other.path, Self.otherGroup.product.path, Self.otherGroup.path] {
        #expect(try await bench.put(path, "{}").status == .created)
      }
      try await body(bench)
    }
  }

  @Test func `a device with a proof is registered once and may be told so again`() async throws {
    try await run { bench in
      let device = ServiceBench.oddDevice
      let path = ProvisioningPath.identity(device: device)
      #expect(try await bench.get(path).code == "DeviceNotProvisioned")
      let proof = try bench.identity(device, answering: try await bench.offer().decoded())
      let first = try await bench.register(proof, as: device)
      #expect(first.status == .created)
      #expect(
        try first.decoded(RegisteredDevice.self)
          == RegisteredDevice(deviceId: device, catalog: "plant"))
      #expect(try await bench.register(proof, as: device.uppercased()).status == .ok)
      bench.clock.advance(seconds: 3600)
      #expect(try await bench.register(proof, as: device).status == .ok)
      #expect(try await bench.get(path).decoded(RegisteredDevice.self).catalog == "plant")
    }
  }

  @Test func `a challenge is good for ten minutes`() async throws {
    try await run { bench in
      let device = ServiceBench.oddDevice
      let proof = try bench.identity(device, answering: try await bench.offer().decoded())
      bench.clock.advance(seconds: 600)
      let late = try await bench.register(proof, as: device)
      #expect(late.status == .conflict)
      #expect(late.code == "ChallengeUnknown")
      let next = try bench.identity(device, answering: try await bench.offer().decoded())
      bench.clock.advance(seconds: 599)
      #expect(try await bench.register(next, as: device).status == .created)
    }
  }

  @Test func `a challenge is good for one device`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      _ = try await bench.put(ServiceBench.catalog.path, "{}")
      let offer = try await bench.offer().decoded(ProvisioningOffer.self)
      #expect(try await bench.register(bench.identity(answering: offer)).status == .created)
      let second = try await bench.register(
        bench.identity(ServiceBench.oddDevice, answering: offer), as: ServiceBench.oddDevice)
      #expect(second.code == "ChallengeUnknown")
    }
  }

  @Test func `a challenge that nobody made is refused`() async throws {
    try await run { bench in
      var offer = try await bench.offer().decoded(ProvisioningOffer.self)
      offer.challenge = Data(repeating: 7, count: 16)
      let proof = try bench.identity(ServiceBench.oddDevice, answering: offer)
      let answer = try await bench.register(proof, as: ServiceBench.oddDevice)
      #expect(answer.code == "ChallengeUnknown")
    }
  }

  @Test func `an id that is not the key's is refused`() async throws {
    try await run { bench in
      let proof = try bench.identity(
        ServiceBench.oddDevice, answering: try await bench.offer().decoded())
      let answer = try await bench.register(proof, as: String(repeating: "a", count: 128))
      #expect(answer.status == .unprocessableContent)
      #expect(answer.code == "DeviceIdMismatch")
      var short = proof
      short.publicKey = Data(proof.publicKey.dropLast())
      #expect(
        try await bench.register(short, as: ServiceBench.oddDevice).code == "DeviceIdMismatch")
    }
  }

  @Test func `a proof with any byte changed is refused and uses nothing up`() async throws {
    try await run { bench in
      let device = ServiceBench.oddDevice
      let good = try bench.identity(device, answering: try await bench.offer().decoded())
      for at in 0..<32 {
        var wrong = good
        wrong.proof[at] ^= 1
        let answer = try await bench.register(wrong, as: device)
        #expect(answer.status == .unprocessableContent)
        #expect(answer.code == "ProofInvalid")
        var wrongKey = good
        wrongKey.enc[at] ^= 1
        #expect(try await bench.register(wrongKey, as: device).code == "ProofInvalid")
      }
      var empty = good
      empty.proof = Data()
      empty.enc = Data()
      #expect(try await bench.register(empty, as: device).code == "ProofInvalid")
      #expect(try await bench.register(good, as: device).status == .created)
    }
  }

  @Test func `a public key of small order is nobody's`() async throws {
    try await run { bench in
      let weak = try Curve25519.KeyAgreement.PublicKey(
        rawRepresentation: [UInt8](repeating: 0, count: 32))
      let device = DeviceIdentity.id(of: weak).hexDigits
      var proof = try bench.identity(answering: try await bench.offer().decoded())
      proof.publicKey = weak.rawRepresentation
      #expect(try await bench.register(proof, as: device).code == "ProofInvalid")
    }
  }

  @Test func `a proof for another catalog's key is refused`() async throws {
    try await run { bench in
      var offer = try await bench.offer().decoded(ProvisioningOffer.self)
      offer.signingKey = try await bench.offer(Self.other).decoded(ProvisioningOffer.self)
        .signingKey
      let proof = try bench.identity(ServiceBench.oddDevice, answering: offer)
      #expect(try await bench.register(proof, as: ServiceBench.oddDevice).code == "ProofInvalid")
    }
  }

  @Test func `a device provisioned for one catalog does not get into another`() async throws {
    try await run { bench in
      let device = ServiceBench.oddDevice
      #expect(try await bench.provision(device).status == .created)
      let claim = try await bench.claim(device, into: Self.otherGroup)
      #expect(claim.status == .conflict)
      #expect(claim.code == "DeviceProvisionedElsewhere")
      let again = try await bench.provision(device, for: Self.other)
      #expect(again.status == .conflict)
      #expect(again.code == "DeviceProvisionedElsewhere")
      #expect(try await bench.claim(device).status == .accepted)
    }
  }

  @Test func `a device claimed by its id alone is registered for that catalog alone`() async throws
  {
    try await run { bench in
      let device = ServiceBench.oddDevice
      #expect(try await bench.claim(device).status == .accepted)
      let wrong = try await bench.provision(device, for: Self.other)
      #expect(wrong.status == .conflict)
      #expect(wrong.code == "DeviceAlreadyClaimed")
      #expect(try await bench.provision(device).status == .created)
      try await bench.setConsent(.enabled)
      #expect(try await bench.parsedLease(device).isAllowed)
    }
  }

  @Test func `an unclaimed device may be claimed again, into its catalog alone`() async throws {
    try await run { bench in
      let path = ServiceBench.group.devicePath(ServiceBench.device)
      #expect(try await bench.send(.delete, path).status == .ok)
      let elsewhere = try await bench.claim(ServiceBench.device, into: Self.otherGroup)
      #expect(elsewhere.code == "DeviceProvisionedElsewhere")
      #expect(try await bench.claim(ServiceBench.device).status == .accepted)
    }
  }

  @Test func `a catalog that is not there offers nothing, nor after it is deleted`() async throws {
    try await run { bench in
      let missing = CatalogReference(scope: ServiceBench.scope, name: "missing")
      #expect(try await bench.offer(missing).status == .notFound)
      let offer = try await bench.offer(Self.other).decoded(ProvisioningOffer.self)
      #expect(try await bench.send(.delete, Self.other.path).status == .ok)
      #expect(try await bench.offer(Self.other).status == .notFound)
      let proof = try bench.identity(ServiceBench.oddDevice, answering: offer)
      let answer = try await bench.register(proof, as: ServiceBench.oddDevice)
      #expect(answer.code == "ChallengeUnknown")
    }
  }

  @Test func `an offer has keys and a fresh challenge`() async throws {
    try await run { bench in
      let first = try await bench.offer().decoded(ProvisioningOffer.self)
      let second = try await bench.offer().decoded(ProvisioningOffer.self)
      #expect(first.signingKey.count == 64)
      #expect(first.claimKey.count == 32)
      #expect(first.challenge.count == 16)
      #expect(second.signingKey == first.signingKey)
      #expect(second.claimKey == first.claimKey)
      #expect(second.challenge != first.challenge)
    }
  }
}
