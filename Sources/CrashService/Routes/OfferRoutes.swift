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
        let verdicts = try await service.management.holdingStanding(of: device) { standing in
          guard standing.isKnown else { throw ServiceFailure.unknownDevice(device) }
          return try await self.verdicts(offers, standing)
        }
        service.metrics.judged(verdicts)
        return try jsonResponse(
          OfferAnswer(
            verdicts: verdicts,
            retryAfterSeconds: verdicts.contains(.later) ? Promises.seconds : nil))
      }
    ]
  }

  private func verdicts(_ offers: [OfferRequest.Offer], _ standing: DeviceStanding) async throws
    -> [OfferAnswer.Verdict]
  {
    guard let placement = standing.placement, standing.isAllowed else {
      return offers.map { _ in .refused }
    }
    let isCurrent = offers.map { $0.consentEpoch == standing.epoch }
    let current = zip(offers, isCurrent).filter(\.1).map { offer, _ in
      OfferedDump(
        placement: placement, key: DumpKey(bootCount: offer.bootCount, sequence: offer.sequence),
        fingerprint: offer.fingerprint.lowercased())
    }
    var judged = try await service.dumps.desk(of: placement.boundary)
      .judge(current, now: milliseconds(service.now()))[...]
    return isCurrent.map { isCurrent in
      isCurrent ? judged.popFirst() ?? .later : .refused
    }
  }
}
