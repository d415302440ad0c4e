// What a device and its bridge do, on a bench without either.

import Crypto
import DumpFormat
import DumpOpening
import Foundation
import Logging
import NIOCore
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

/// A device whose private key is known.
struct BenchDevice: Sendable {
  let privateKey: Curve25519.KeyAgreement.PrivateKey
  let id: DeviceID

  /// 128 hex digits.
  var text: String { id.text }

  /// Its id ends with an even digit.
  static let even = make { $0.isMultiple(of: 2) }
  static let odd = make { !$0.isMultiple(of: 2) }
  static let all = [even, odd]

  /// The device of the first private key whose id's last byte is as wanted.
  private static func make(_ isWanted: (UInt8) -> Bool) -> BenchDevice {
    for number in UInt8(1)... {
      let bytes = [number] + [UInt8](repeating: 0, count: 31)
      guard let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes),
        let id = DeviceID(bytes: DeviceIdentity.id(of: key.publicKey)),
        isWanted(id.bytes[63])
      else { continue }
      return BenchDevice(privateKey: key, id: id)
    }
    preconditionFailure("no device id of 255 is as wanted")
  }

  static func named(_ text: String) throws -> BenchDevice {
    try #require(all.first { $0.text == text })
  }
}

/// A lease taken apart after docs/formats/lease.md.
struct ParsedLease {
  let bytes: [UInt8]

  var signed: [UInt8] { Array(bytes.dropLast(64)) }
  var isAllowed: Bool { bytes[4] == 1 }
  var dumpsPerFingerprint: UInt8 { bytes[5] }
  var epoch: UInt32 { word(24) }
  var lifetime: UInt32 { word(28) }
  var sealingKeyID: UInt32 { word(96) }
  var sealingKey: [UInt8] { Array(bytes[100..<132]) }
  var knownFingerprints: [UInt32] { (0..<Int(bytes[6])).map { word(132 + 4 * $0) } }

  func word(_ offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
  }

  /// Whether the catalog with this key signed it.
  func isSigned(by key: Data) throws -> Bool {
    try P256.Signing.PublicKey(rawRepresentation: key).isValidSignature(
      P256.Signing.ECDSASignature(rawRepresentation: bytes.suffix(64)), for: signed)
  }
}

extension ServiceBench {
  // MARK: - Provisioning

  func offer(_ catalog: CatalogReference = Self.catalog) async throws -> Answer {
    let request = ProvisioningRequest(
      subscription: catalog.scope.subscription, resourceGroup: catalog.scope.resourceGroup,
      catalog: catalog.name)
    return try await send(
      .post, ProvisioningPath.offers, ByteBuffer(bytes: try ServiceJSON.encoder().encode(request)))
  }

  /// What the device's board answers to PROVISION.
  func identity(_ device: String = Self.device, answering offer: ProvisioningOffer) throws
    -> DeviceIdentityProof
  {
    let key = try BenchDevice.named(device).privateKey
    let (enc, proof) = try DeviceIdentity.prove(
      privateKey: key, claimKey: .init(rawRepresentation: offer.claimKey),
      challenge: Array(offer.challenge), signingKey: Array(offer.signingKey))
    return DeviceIdentityProof(
      challenge: offer.challenge, publicKey: key.publicKey.rawRepresentation, enc: Data(enc),
      proof: Data(proof))
  }

  func register(_ proof: DeviceIdentityProof, as device: String = Self.device) async throws
    -> Answer
  {
    try await send(
      .put, ProvisioningPath.identity(device: device),
      ByteBuffer(bytes: try ServiceJSON.encoder().encode(proof)))
  }

  /// Registers the public key of a device for a catalog.
  func provision(_ device: String, for catalog: CatalogReference = Self.catalog) async throws
    -> Answer
  {
    try await register(
      identity(device, answering: try await offer(catalog).decoded()), as: device)
  }

  /// Takes a second device through everything.
  func addOddDevice() async throws {
    #expect(try await provision(Self.oddDevice).status == .created)
    #expect(try await claim(Self.oddDevice).status == .accepted)
  }

  // MARK: - Sealing and sending

  func parsedLease(_ device: String = Self.device, buildID: String = "") async throws -> ParsedLease
  {
    let answer = try await lease(device, buildID: buildID)
    return ParsedLease(bytes: Array(try answer.decoded(LeaseAnswer.self).lease))
  }

  /// Seals dumps as the device does under the lease that it gets now.
  ///
  /// Without consent a lease has no sealing key: then they are sealed to a key that nobody has.
  func sealer(_ device: String = Self.device) async throws -> DumpSealer {
    let lease = try await parsedLease(device)
    return try DumpSealer(
      devicePrivateKey: BenchDevice.named(device).privateKey,
      sealingKey: lease.isAllowed
        ? .init(rawRepresentation: lease.sealingKey)
        : Curve25519.KeyAgreement.PrivateKey().publicKey,
      sealingKeyID: lease.sealingKeyID, consentEpoch: lease.epoch)
  }

  /// Sends bytes as they are.
  func send(
    dump: [UInt8], device: String = Self.device, bootCount: UInt32 = 1, sequence: UInt32 = 1
  ) async throws -> Answer {
    try await send(
      .put, DevicePath.dump(device: device, bootCount: bootCount, sequence: sequence),
      ByteBuffer(bytes: dump))
  }

  /// Seals a dump under the present lease and sends it.
  func upload(_ dump: [UInt8], device: String = Self.device) async throws -> Answer {
    try await send(sealed: try await sealer(device).seal(dump), device: device)
  }

  /// Sends a sealed dump under its own key.
  func send(sealed dump: [UInt8], device: String = Self.device) async throws -> Answer {
    let key = try SealedDump(dump).header.key
    return try await send(
      dump: dump, device: device, bootCount: key.bootCount, sequence: key.sequence)
  }

  func consents(_ devices: [String]) async throws -> Answer {
    try await send(
      .post, ConsentPath.consents,
      ByteBuffer(bytes: try ServiceJSON.encoder().encode(ConsentRequest(devices: devices))))
  }

  func verdicts(_ offers: [OfferRequest.Offer], device: String = Self.device) async throws
    -> [OfferAnswer.Verdict]
  {
    let body = try ServiceJSON.encoder().encode(OfferRequest(offers: offers))
    return try await send(.post, DevicePath.offers(device: device), ByteBuffer(bytes: body))
      .decoded(OfferAnswer.self).verdicts
  }

  /// An offer of ``sampleDump(key:memory:hasBlocks:)``.
  func offer(bootCount: UInt32, epoch: UInt32, fingerprint: String = "0102030405060708")
    -> OfferRequest.Offer
  {
    OfferRequest.Offer(
      bootCount: bootCount, sequence: 1, fingerprint: fingerprint, size: 100, occurrences: 1,
      consentEpoch: epoch, buildId: "0102030405060708090a0b0c0d0e0f1011121314")
  }
}

/// Every line of a log.
final class LineLog: LogHandler, Sendable {
  private let log = Mutex<[String]>([])

  var lines: [String] { log.withLock { $0 } }

  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  var logLevel: Logger.Level {
    get { .trace }
    set {}
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  func log(event: LogEvent) {
    log.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
  }
}
