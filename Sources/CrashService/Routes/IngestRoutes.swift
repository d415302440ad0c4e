// Dumps from bridges: opened, checked, stored.

import Crypto
import DumpAnalysis
import DumpFormat
import DumpOpening
import Foundation
import Hummingbird
import NIOCore
import ServiceAPI

struct IngestRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .put, "/martlet/v1/devices/{device}/dumps/{key}", id: "Bridges_PutDump",
        "Stores a dump, durably.", tag: .bridges, access: .init(.deliverDumps, in: .device),
        body: .bytes(upTo: DumpPrologue.largestDump),
        answers: [
          .ok(DumpReceipt.self, "It was stored before."),
          .created(DumpReceipt.self, "It is stored now."),
        ], refusals: [.conflict, .unprocessableContent]
      ) { request, context in
        try await service.admission.admit { try await ingest(request, context) }
      }
    ]
  }

  private func ingest(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let device = try context.device()
    let key = try context.dumpKey()
    // Refuses before a byte of the body is read; what counts is asked again when the dump is stored.
    let standing = try await service.management.standing(of: device)
    let region = try standing.consenting().region
    let (outcome, size) = try await service.dumps[region].expecting {
      let buffer = try await request.bytes(upTo: DumpPrologue.largestDump)
      let received = Array(buffer.readableBytesView)
      let sealed = try whole(received, key: key)
      let digest = Data(SHA256.hash(data: received))
      return (try await settle(sealed, digest: digest, standing), received.count)
    }
    return try respond(outcome, device: device, size: size, key: key, context)
  }

  private func settle(_ dump: WholeDump, digest: Data, _ standing: DeviceStanding) async throws
    -> StoreOutcome
  {
    let sealed = dump.sealed
    let opened: OpenedDump
    do {
      opened = try await open(dump, standing)
    } catch let failure as ServiceFailure where failure == .sealingKeyUnknown {
      // The key may be gone since the dump was stored.
      let stored = try await service.dumps.find(sealed.header.key, of: standing.device)
      guard let stored, stored.digest == digest else { throw failure }
      return try await service.management.holdingStanding(of: standing.device) { standing in
        _ = try consenting(standing, to: sealed)
        return .present(id: stored.id)
      }
    }
    return try await store(opened, digest: digest, sealed: sealed, device: standing.device)
  }

  /// A sealed dump whose lengths and checksums hold.
  private struct WholeDump {
    var sealed: SealedDump
    var commit: DumpCommit
  }

  /// Checks a whole dump and that it is the one that the path names.
  private func whole(_ content: [UInt8], key: DumpKey) throws -> WholeDump {
    let dump: SealedDump
    let commit: DumpCommit
    do throws(DumpOpeningError) {
      dump = try SealedDump(content)
      commit = try dump.verifiedCommit()
    } catch {
      throw ServiceFailure.refused(error)
    }
    guard dump.header.key == key else {
      throw ServiceFailure(
        .unprocessableContent, code: "DumpKeyMismatch",
        message: "The body is the dump \(dump.header.key.text), the path names \(key.text). "
          + "Nothing was stored.",
        target: "key")
    }
    return WholeDump(sealed: dump, commit: commit)
  }

  /// The placement of a device whose owner consents, and under whose consent the dump was taken.
  private func consenting(_ standing: DeviceStanding, to dump: SealedDump) throws -> Placement {
    let placement = try standing.consenting()
    guard dump.header.consentEpoch == standing.epoch else {
      throw ServiceFailure.otherConsent(of: dump.header.consentEpoch, current: standing.epoch)
    }
    return placement
  }

  private func open(_ dump: WholeDump, _ standing: DeviceStanding) async throws -> OpenedDump {
    let placement = try consenting(standing, to: dump.sealed)
    guard let registration = standing.registration else {
      throw ServiceFailure.notProvisioned(standing.device)
    }
    let store = service.dumps[placement.region]
    guard let key = try await store.sealingKey(id: dump.sealed.sealingKeyID) else {
      throw ServiceFailure.sealingKeyUnknown
    }
    let device = standing.device.bytes
    let name = DumpExchange.Name(of: dump.sealed, device: device)
    let publicKey = try Curve25519.KeyAgreement.PublicKey(
      rawRepresentation: registration.publicKey)
    do throws(DumpOpeningError) {
      let known = store.exchanges[name]
      let exchange =
        if let known { known } else {
          try DumpExchange(
            of: dump.sealed, sealingKey: key.privateKey, device: device, devicePublicKey: publicKey)
        }
      let opened = try dump.sealed.open(exchange, verified: dump.commit)
      // Not before it opened one: what anybody sends must not push out what devices need.
      if known == nil { store.exchanges.keep(exchange, as: name) }
      return opened
    } catch {
      throw ServiceFailure.refused(error)
    }
  }

  private func store(
    _ opened: OpenedDump, digest: Data, sealed: SealedDump, device: DeviceID
  ) async throws -> StoreOutcome {
    let prologue = try opened.bytes.withUnsafeBytes { try DumpPrologue(decoding: $0) }
    let signature = signature(of: prologue, opened.bytes)
    let receivedAt = service.now()
    let dumps = service.dumps
    return try await service.management.holdingStanding(of: device) { standing in
      // Of the same epoch as when it was opened: so key and region are still right.
      let placement = try consenting(standing, to: sealed)
      return try await dumps.insert(
        IncomingDump(
          placement: placement, prologue: prologue, signature: signature, content: opened.bytes,
          digest: digest, receivedAt: receivedAt))
    }
  }

  private func respond(
    _ outcome: StoreOutcome, device: DeviceID, size: Int, key: DumpKey,
    _ context: ServiceContext
  ) throws -> Response {
    switch outcome {
    case .stored(let id):
      context.logger.info(
        "dump stored",
        metadata: ["id": "\(id)", "device": "\(device.text)", "size": "\(size)"])
      return try jsonResponse(DumpReceipt(id: id), status: .created)
    case .present(let id):
      return try jsonResponse(DumpReceipt(id: id))
    case .conflict:
      throw ServiceFailure.conflict(
        code: "DumpKeyTaken",
        "Another dump of this device is stored under boot count \(key.bootCount) and sequence "
          + "\(key.sequence). The stored one was left as it is.",
        target: key.text)
    }
  }

  /// The signature of the crash. Blocks that lie leave the registers unknown: the dump is whole, so
  /// it is kept.
  private func signature(of prologue: DumpPrologue, _ content: [UInt8]) -> String {
    if let dump = try? DecodedDump(prologue: prologue, body: content[DumpPrologue.size...]) {
      return dump.signature
    }
    // An end block alone: decodes, and knows no register.
    let nothing: [UInt8] = [0xFF, 0xFF, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    return (try? DecodedDump(prologue: prologue, body: nothing[...]))?.signature ?? "AppCrash"
  }
}

extension ServiceFailure {
  /// A dump that does not open.
  fileprivate static func refused(_ error: DumpOpeningError) -> ServiceFailure {
    switch error {
    case .notADump(let error):
      ServiceFailure(
        .unprocessableContent, code: "InvalidDump",
        message: "The body is not a whole dump: \(error). Nothing was stored; fetch the dump from "
          + "its board again.",
        target: "\(error)")
    case .notSealed, .envelopeDamaged:
      ServiceFailure(
        .unprocessableContent, code: "DumpNotSealed",
        message: "The dump is not accepted, because \(error). Nothing was stored.")
    case .unusableKey, .chunkNotAuthentic, .incomplete:
      ServiceFailure(
        .unprocessableContent, code: "DumpNotAuthentic",
        message: "The dump is whole, but it is not one that this device sealed for this service: "
          + "\(error). Nothing was stored.")
    }
  }

  fileprivate static let sealingKeyUnknown = ServiceFailure(
    .unprocessableContent, code: "SealingKeyUnknown",
    message: "The dump is sealed to a key that the region of its device has not got: it was never "
      + "this service's, or it is older than two months and destroyed. Nothing was stored.")
}
