// Offers and dumps from bridges.

import DumpAnalysis
import DumpFormat
import Hummingbird
import NIOCore
import ServiceAPI

struct IngestRoutes: Sendable {
  /// The most offers in one request.
  static let mostOffers = 256

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    router.post("martlet/v1/devices/:device/offers") { request, context in
      try jsonResponse(try await answerOffers(request, context))
    }
    router.put("martlet/v1/devices/:device/dumps/:key") { request, context in
      try await ingest(request, context)
    }
  }

  private func answerOffers(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> OfferAnswer {
    let device = try context.device()
    let offers = try await request.json(OfferRequest.self).offers
    guard offers.count <= Self.mostOffers else {
      throw ServiceFailure.invalid(
        "At most \(Self.mostOffers) offers go into one request, not \(offers.count).",
        target: "offers")
    }
    guard let placement = try await service.management.placement(of: device) else {
      throw ServiceFailure.unknownDevice(device)
    }
    var verdicts: [OfferAnswer.Verdict] = []
    for offer in offers {
      let key = DumpKey(bootCount: offer.bootCount, sequence: offer.sequence)
      if try await service.dumps.isStored(key, of: device) {
        verdicts.append(.stored)
      } else {
        verdicts.append(placement.consent == .enabled ? .send : .refused)
      }
    }
    return OfferAnswer(verdicts: verdicts)
  }

  private func ingest(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
    let device = try context.device()
    let key = try context.dumpKey()
    // Refuses before a byte of the body is read; what counts is asked again when the dump is stored.
    _ = try consenting(await service.management.placement(of: device), device)
    let buffer = try await request.bytes(upTo: DumpPrologue.largestDump)
    let content = Array(buffer.readableBytesView)
    let prologue = try verified(content, key: key)
    let signature = signature(of: prologue, content)
    let receivedAt = service.now()
    let dumps = service.dumps
    let outcome = try await service.management.holdingPlacement(of: device) { placement in
      let placement = try consenting(placement, device)
      return try await dumps.insert(
        IncomingDump(
          device: device, group: placement.group, prologue: prologue, signature: signature,
          content: content, receivedAt: receivedAt),
        in: placement.region)
    }
    switch outcome {
    case .stored(let id):
      context.logger.notice(
        "dump stored",
        metadata: ["id": "\(id)", "device": "\(device.text)", "size": "\(content.count)"])
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

  /// Checks a whole dump and that it is the one that the path names.
  private func verified(_ content: [UInt8], key: DumpKey) throws -> DumpPrologue {
    let prologue: DumpPrologue
    do {
      prologue = try content.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    } catch let error as DumpFormatError {
      throw ServiceFailure(
        .unprocessableContent, code: "InvalidDump",
        message: "The body is not a whole dump: \(error). Nothing was stored; fetch the dump from "
          + "its board again.",
        target: "\(error)")
    }
    guard prologue.header.key == key else {
      throw ServiceFailure(
        .unprocessableContent, code: "DumpKeyMismatch",
        message: "The body is the dump \(prologue.header.key.text), the path names \(key.text). "
          + "Nothing was stored.",
        target: "key")
    }
    return prologue
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

/// The placement of a device that is claimed and whose group gives consent.
func consenting(_ placement: Placement?, _ device: DeviceID) throws -> Placement {
  guard let placement else { throw ServiceFailure.unknownDevice(device) }
  guard placement.consent == .enabled else {
    throw ServiceFailure.consentNotGiven(group: placement.group.name)
  }
  return placement
}
