// Devices as the load needs them: provisioned, claimed, with a lease, and with sealed dumps.

import ConsentLease
import Crypto
import DumpFormat
import DumpOpening
import Foundation
import MartletTestKit
import ServiceAPI

/// A device whose private key is known.
struct LoadDevice {
  var privateKey: Curve25519.KeyAgreement.PrivateKey
  var id: DeviceID
  var sealer: DumpSealer?

  var text: String { id.text }
}

/// Devices in one group that consents.
struct Fleet {
  static let catalog = CatalogReference(scope: CatalogScope(), name: "load")
  static let product = ProductReference(catalog: catalog, name: "Load")
  static let group = DeviceGroupReference(product: product, name: "Load")

  var service: ServiceUnderLoad
  var devices: [LoadDevice] = []

  /// Makes the group and as many devices, all with an allowed lease.
  init(_ service: ServiceUnderLoad, devices count: Int) throws {
    self.service = service
    try service.perform([
      service.request("PUT", Self.catalog.path, Array(#"{"location":"global"}"#.utf8)),
      service.request("PUT", Self.product.path, Array("{}".utf8)),
      service.request(
        "PUT", Self.group.path,
        Array(#"{"properties":{"allowCrashDumpsCollection":"Enabled"}}"#.utf8)),
    ])
    for _ in 0..<count {
      let key = Curve25519.KeyAgreement.PrivateKey()
      guard let id = DeviceID(bytes: DeviceIdentity.id(of: key.publicKey)) else { continue }
      devices.append(LoadDevice(privateKey: key, id: id))
    }
    try register()
    for start in stride(from: 0, to: devices.count, by: 1000) {
      let ids = devices[start..<min(start + 1000, devices.count)].map(\.text)
      try service.perform([
        try service.json(
          "POST", Self.group.claimDevicesPath, ClaimDevicesRequest(deviceIdentifiers: ids))
      ])
    }
  }

  private func register() throws {
    let offer = try service.json(
      "POST", ProvisioningPath.offers,
      ProvisioningRequest(
        subscription: Self.catalog.scope.subscription,
        resourceGroup: Self.catalog.scope.resourceGroup, catalog: Self.catalog.name))
    var offers: [ProvisioningOffer] = []
    try service.perform(Array(repeating: offer, count: devices.count)) {
      if let offer = try? ServiceJSON.decoder().decode(
        ProvisioningOffer.self, from: Data($1.body))
      {
        offers.append(offer)
      }
    }
    try service.perform(
      try zip(devices, offers).map { device, offer in
        let (enc, proof) = try DeviceIdentity.prove(
          privateKey: device.privateKey, claimKey: .init(rawRepresentation: offer.claimKey),
          challenge: Array(offer.challenge), signingKey: Array(offer.signingKey))
        return try service.json(
          "PUT", ProvisioningPath.identity(device: device.text),
          DeviceIdentityProof(
            challenge: offer.challenge, publicKey: device.privateKey.publicKey.rawRepresentation,
            enc: Data(enc), proof: Data(proof)))
      })
  }

  func leaseRequest(_ device: LoadDevice, nonce: [UInt8]) throws -> [UInt8] {
    try service.json(
      "POST", DevicePath.lease(device: device.text),
      LeaseRequest(
        nonce: Data(nonce), buildId: String(repeating: "ab", count: 20), imageVersion: "1",
        bootCount: 1, uncapturedCrashes: 0))
  }

  /// Gives every device a lease, and what seals dumps under it.
  mutating func lease() throws {
    var answers: [LeaseAnswer] = []
    try service.perform(
      try devices.map { try leaseRequest($0, nonce: Array(0..<16)) }
    ) {
      if let answer = try? ServiceJSON.decoder().decode(LeaseAnswer.self, from: Data($1.body)) {
        answers.append(answer)
      }
    }
    for (index, answer) in answers.enumerated() {
      let lease = try answer.lease.withUnsafeBytes { try Lease(decoding: $0) }
      devices[index].sealer = try DumpSealer(
        devicePrivateKey: devices[index].privateKey,
        sealingKey: .init(rawRepresentation: lease.sealingKey.array),
        sealingKeyID: lease.sealingKeyID, consentEpoch: lease.epoch)
    }
  }

  /// Requests that upload dumps, each of another key and fingerprint, in turns of the devices.
  /// - Parameters:
  ///   - size: bytes of memory in each.
  ///   - first: the first boot count.
  ///   - fingerprint: by the number of the dump.
  func uploads(
    _ count: Int, size: Int, first: UInt32 = 1,
    fingerprint: (Int) -> Fingerprint = { _ in Fingerprint(rawValue: .random(in: .min ... .max)) }
  ) throws -> [[UInt8]] {
    var generator = SystemRandomNumberGenerator()
    return try (0..<count).map { number in
      let device = devices[number % devices.count]
      guard let sealer = device.sealer else { throw LoadFailure("a device has no lease") }
      let boot = first + UInt32(number / devices.count)
      var builder = DumpBuilder(key: DumpKey(bootCount: boot, sequence: 1))
      builder.header.fingerprint = fingerprint(number)
      var core = [UInt32](repeating: 0, count: 26)
      core[15] = 0x1234
      builder.add(.core, words: core)
      builder.addMemory(
        at: 0x2000_0000, (0..<size / 8).flatMap { _ in generator.next().bytes })
      let dump = try sealer.seal(builder.build())
      return service.request(
        "PUT", DevicePath.dump(device: device.text, bootCount: boot, sequence: 1), dump)
    }
  }
}

extension UInt64 {
  fileprivate var bytes: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
}
