// Offers from bridges: which dumps are wanted, before they travel.

import DumpFormat
import Foundation
import Hummingbird
import ServiceAPI

struct OfferRoutes: EndpointGroup {
  /// The most offers in one request.
  static let mostOffers = 256

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .post, DevicePath.offers(device: "{device}"), id: "Bridges_Offers",
        "Tells which dumps of a device are wanted.", tag: .bridges,
        access: .init(.deliverDumps, in: .device), body: .json(OfferRequest.self),
        answers: [.ok(OfferAnswer.self)]
      ) { request, context in
        let device = try context.device()
        let offers = try await request.json(OfferRequest.self).offers
        guard offers.count <= Self.mostOffers else {
          throw ServiceFailure.invalid(
            "At most \(Self.mostOffers) offers go into one request, not \(offers.count).",
            target: "offers")
        }
        return try jsonResponse(
          try await service.management.holdingStanding(of: device) { standing in
            guard standing.isKnown else { throw ServiceFailure.unknownDevice(device) }
            return OfferAnswer(verdicts: try await verdicts(offers, standing))
          })
      }
    ]
  }

  private func verdicts(_ offers: [OfferRequest.Offer], _ standing: DeviceStanding) async throws
    -> [OfferAnswer.Verdict]
  {
    guard let placement = standing.placement, standing.isAllowed else {
      return offers.map { _ in .refused }
    }
    let now = service.now()
    let limit = service.limits.dumpsPerGroup
    var counts =
      limit > 0
      ? try await service.dumps.stored(
        inGroup: placement.groupID, since: now - ServiceLimits.period) : [:]
    var skipped: [SkippedDump] = []
    var verdicts: [OfferAnswer.Verdict] = []
    for offer in offers {
      let key = DumpKey(bootCount: offer.bootCount, sequence: offer.sequence)
      let fingerprint = offer.fingerprint.lowercased()
      if offer.consentEpoch != standing.epoch {
        verdicts.append(.refused)
      } else if try await service.dumps.find(key, of: standing.device) != nil {
        verdicts.append(.stored)
      } else if limit > 0, counts[fingerprint, default: 0] >= limit {
        verdicts.append(.skip)
        skipped.append(
          SkippedDump(device: standing.device, key: key, fingerprint: fingerprint))
      } else {
        verdicts.append(.send)
        // What is sent for this answer counts for the offers behind it.
        counts[fingerprint, default: 0] += 1
      }
    }
    try await service.dumps[placement.region].keep(skipped, at: now)
    return verdicts
  }
}
