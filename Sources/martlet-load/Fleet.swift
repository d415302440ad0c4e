// Devices as the load needs them: provisioned, claimed, with a lease, and with sealed dumps.

import ConsentLease
import Crypto
import DumpFormat
import DumpOpening
import Foundation
import MartletTestKit
import ServiceAPI
import Synchronization

/// A device whose private key is known.
struct LoadDevice: Sendable {
  var privateKey: Curve25519.KeyAgreement.PrivateKey
  var id: DeviceID
  var sealer: DumpSealer?

  var text: String { id.text }
}

/// Devices in one group that consents.
struct Fleet: Sendable {
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
        // One region, and so one database, as the raw limit has.
        Array(
          #"{"properties":{"allowCrashDumpsCollection":"Enabled","regionalDataBoundary":"EU"}}"#
            .utf8)),
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

  /// A request that offers one dump, the second of that boot.
  func offerRequest(_ device: LoadDevice, bootCount: UInt32, fingerprint: Fingerprint) throws
    -> [UInt8]
  {
    try service.json(
      "POST", DevicePath.offers(device: device.text),
      OfferRequest(offers: [
        OfferRequest.Offer(
          bootCount: bootCount, sequence: 2, fingerprint: fingerprint.hexDigits, size: 20_480,
          occurrences: 1, consentEpoch: device.sealer?.consentEpoch ?? 0,
          buildId: String(repeating: "ab", count: 20))
      ]))
  }

  /// Requests that upload dumps, each of another key, in turns of the devices.
  /// - Parameters:
  ///   - size: bytes of memory in each.
  ///   - first: the first boot count.
  ///   - fingerprint: by the number of the dump. Unless told otherwise a new one every ten dumps: as many as
  ///     the service takes of a kind from a group by itself.
  func uploads(
    _ count: Int, size: Int, first: UInt32 = 1, fingerprint: (@Sendable (Int) -> Fingerprint)? = nil
  ) throws -> [[UInt8]] {
    let kinds = (0...count / 10).map { _ in Fingerprint(rawValue: .random(in: .min ... .max)) }
    let fingerprint = fingerprint ?? { kinds[$0 / 10] }
    // On all cores: nobody else has anything to do meanwhile.
    let sealed = Mutex([Int: [UInt8]]())
    DispatchQueue.concurrentPerform(iterations: count) { number in
      let request = try? upload(
        number: number, size: size, first: first, fingerprint: fingerprint(number))
      if let request { sealed.withLock { $0[number] = request } }
    }
    let requests = sealed.withLock { sealed in (0..<count).compactMap { sealed[$0] } }
    guard requests.count == count else { throw LoadFailure("a device has no lease") }
    return requests
  }

  /// A request that uploads a dump.
  /// - Parameters:
  ///   - number: which; devices take turns.
  ///   - size: bytes of memory in it.
  ///   - first: the boot count of a device's first dump.
  func upload(
    number: Int, size: Int, first: UInt32 = 1,
    fingerprint: Fingerprint = Fingerprint(rawValue: .random(in: .min ... .max))
  ) throws -> [UInt8] {
    let device = devices[number % devices.count]
    guard let sealer = device.sealer else { throw LoadFailure("a device has no lease") }
    let boot = first + UInt32(number / devices.count)
    var builder = DumpBuilder(key: DumpKey(bootCount: boot, sequence: 1))
    builder.header.fingerprint = fingerprint
    var core = [UInt32](repeating: 0, count: 26)
    core[15] = 0x1234
    builder.add(.core, words: core)
    builder.addMemory(at: 0x2000_0000, Self.noise(size))
    return service.request(
      "PUT", DevicePath.dump(device: device.text, bootCount: boot, sequence: 1),
      try sealer.seal(builder.build()))
  }

  /// Bytes that nothing compresses.
  private static func noise(_ size: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: .random(in: .min ... .max))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let words = UnsafeMutableRawBufferPointer(buffer)
      for at in stride(from: 0, to: size - 7, by: 8) {
        words.storeBytes(of: generator.next(), toByteOffset: at, as: UInt64.self)
      }
      for at in (size - size % 8)..<size { words[at] = 0 }
      count = size
    }
  }
}
