// Leases: the opt-in, or its denial, as a device receives it.

import ConsentLease
import Foundation
import Hummingbird
import ServiceAPI

struct LeaseRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .post, DevicePath.lease(device: "{device}"), id: "Bridges_Lease",
        "Issues a lease for a device, or a signed denial.", tag: .bridges,
        access: .init(.deliverDumps, in: .device), body: .json(LeaseRequest.self),
        answers: [.ok(LeaseAnswer.self)], refusals: [.conflict]
      ) { request, context in
        let device = try context.device()
        let asked = try await request.json(LeaseRequest.self)
        // No lease that allows is signed once a revocation has committed.
        let answer = try await service.management.holdingStanding(of: device) { standing in
          try await lease(asked, standing)
        }
        try await service.management.countUncaptured(
          asked.uncapturedCrashes, device: device, nonce: Array(asked.nonce))
        service.metrics.signedLease(isAllowed: answer.allowed)
        context.logger.info(
          "lease issued",
          metadata: [
            "device": "\(device.text)", "allowed": "\(answer.allowed)", "epoch": "\(answer.epoch)",
          ])
        return try jsonResponse(answer)
      }
    ]
  }

  private func lease(_ asked: LeaseRequest, _ standing: DeviceStanding) async throws -> LeaseAnswer
  {
    let device = standing.device
    guard standing.isKnown else { throw ServiceFailure.unknownDevice(device) }
    guard let registration = standing.registration else {
      throw ServiceFailure.notProvisioned(device)
    }
    let grant = try await grant(standing, buildID: asked.buildId.lowercased())
    guard
      let lease = LeaseBytes(
        nonce: asked.nonce, epoch: standing.epoch, device: device, grant: grant)
    else {
      throw ServiceFailure.invalid(
        "A nonce has \(Lease.nonceSize) bytes, not \(asked.nonce.count).", target: "nonce")
    }
    let signed = lease.signedPart
    let signature = try await service.management.signature(
      over: signed, by: registration.signingKeyID)
    return LeaseAnswer(
      allowed: grant != nil, epoch: standing.epoch, lifetimeSeconds: grant?.lifetimeSeconds ?? 0,
      lease: signed + signature)
  }

  /// What the device is allowed; `nil` when that is nothing.
  private func grant(_ standing: DeviceStanding, buildID: String) async throws -> LeaseBytes.Grant?
  {
    guard standing.isAllowed, let placement = standing.placement else { return nil }
    let now = service.now()
    let key = try await service.dumps[placement.region].sealingKey(at: now)
    return LeaseBytes.Grant(
      dumpsPerFingerprint: service.limits.dumpsPerDevice, sealingKeyID: key.id,
      sealingKey: key.privateKey.publicKey.rawRepresentation,
      knownFingerprints: try await knownFingerprints(placement, buildID: buildID))
  }

  /// Fingerprints of the image of which the group has enough, those with the most dumps first.
  private func knownFingerprints(_ placement: Placement, buildID: String) async throws
    -> [UInt32]
  {
    let limit = service.limits.dumpsPerGroup
    guard limit > 0 else { return [] }
    let stored = try await service.dumps.stored(
      inGroup: placement.groupID, buildID: buildID)
    let enough = stored.filter { $0.value >= limit }
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    return enough.prefix(Lease.mostKnown).compactMap {
      UInt32($0.key.suffix(8), radix: 16)
    }
  }
}
