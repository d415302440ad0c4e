// Leases: the opt-in, or its denial, as a device receives it.

import ConsentLease
import Hummingbird
import ServiceAPI

struct LeaseRoutes: Sendable {
  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.post("martlet/v1/devices/:device/lease") { request, context in
      let device = try context.device()
      let asked = try await request.json(LeaseRequest.self)
      guard let placement = try await management.placement(of: device) else {
        throw ServiceFailure.unknownDevice(device)
      }
      guard
        let lease = LeaseBytes(
          allowed: placement.consent == .enabled, nonce: asked.nonce, epoch: placement.epoch,
          lifetimeSeconds: Lease.longestLifetime, device: device)
      else {
        throw ServiceFailure.invalid(
          "A nonce has \(Lease.nonceSize) bytes, not \(asked.nonce.count).", target: "nonce")
      }
      try await management.countUncaptured(
        asked.uncapturedCrashes, device: device, nonce: lease.nonce)
      context.logger.info(
        "lease issued",
        metadata: [
          "device": "\(device.text)", "allowed": "\(lease.allowed)", "epoch": "\(lease.epoch)",
        ])
      return try jsonResponse(
        LeaseAnswer(
          allowed: lease.allowed, epoch: lease.epoch, lifetimeSeconds: lease.lifetimeSeconds,
          lease: lease.encoded()))
    }
  }
}
