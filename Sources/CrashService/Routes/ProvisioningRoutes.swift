// How devices get their identity and the service learns of it.

import HTTPTypes
import Hummingbird
import ServiceAPI

struct ProvisioningRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .post, ProvisioningPath.offers, id: "Provisioning_Offer",
        "Tells what a board needs to know to belong to a catalog.", tag: .bridges,
        access: .init(.provisionDevices, in: .handler), body: .json(ProvisioningRequest.self),
        answers: [.ok(ProvisioningOffer.self)], refusals: [.notFound]
      ) { request, context in
        let asked = try await request.json(ProvisioningRequest.self)
        let scope = CatalogScope(
          subscription: asked.subscription, resourceGroup: asked.resourceGroup)
        let catalog = CatalogReference(scope: scope, name: asked.catalog)
        try context.require(catalog)
        return try jsonResponse(try await management.provisioningOffer(for: catalog))
      },
      // The challenge stands for the catalog: only who may provision for one is given any.
      Endpoint(
        .put, ProvisioningPath.identity(device: "{device}"), id: "Provisioning_Register",
        "Registers a device's public key.", tag: .bridges,
        access: .init(.registerIdentities, in: .none), body: .json(DeviceIdentityProof.self),
        answers: [
          .ok(RegisteredDevice.self, "It was registered before."),
          .created(RegisteredDevice.self, "It is registered now."),
        ], refusals: [.conflict, .unprocessableContent]
      ) { request, context in
        let device = try context.device()
        let proof = try await request.json(DeviceIdentityProof.self)
        let (registration, outcome) = try await management.register(device, proof)
        if outcome == .created {
          context.logger.notice(
            "device registered",
            metadata: ["device": "\(device.text)", "catalog": "\(registration.catalog.name)"])
        }
        return try jsonResponse(
          RegisteredDevice(deviceId: device.text, catalog: registration.catalog.name),
          status: outcome.status)
      },
      Endpoint(
        .get, ProvisioningPath.identity(device: "{device}"), id: "Provisioning_Get",
        "Tells whether a device's public key is registered.", tag: .bridges,
        access: .init(.readIdentities, in: .device), answers: [.ok(RegisteredDevice.self)]
      ) { _, context in
        let device = try context.device()
        guard let registration = try await management.standing(of: device).registration else {
          throw ServiceFailure(
            .notFound, code: "DeviceNotProvisioned",
            message: "The device's public key is not registered. " + ServiceFailure.provision,
            target: device.text)
        }
        return try jsonResponse(
          RegisteredDevice(deviceId: device.text, catalog: registration.catalog.name))
      },
    ]
  }
}

extension ServiceFailure {
  /// What to do about a device without a registered key.
  fileprivate static let provision =
    "Provision its board with martlet-bridge provision and register "
    + "what that prints with martlet device claim --identity FILE."

  static func notProvisioned(_ device: DeviceID) -> ServiceFailure {
    conflict(
      code: "DeviceNotProvisioned",
      "The device is claimed, but its public key is not registered, so no lease can be signed for "
        + "it and no dump of it can be opened. " + provision,
      target: device.text)
  }

  static func provisionedElsewhere(_ device: DeviceID) -> ServiceFailure {
    conflict(
      code: "DeviceProvisionedElsewhere",
      "The device \(device.text.prefix(8))... was provisioned for another catalog, whose key it "
        + "trusts for life: claim it into that one. Nothing was changed.",
      target: device.text)
  }

  static let challengeUnknown = conflict(
    code: "ChallengeUnknown",
    "The proof answers a challenge that this service did not make, that is older than ten minutes, "
      + "or that another device answered. Run martlet-bridge provision again.",
    target: "challenge")

  static func otherIdentity(_ device: DeviceID) -> ServiceFailure {
    ServiceFailure(
      .unprocessableContent, code: "DeviceIdMismatch",
      message: "The device id is not the one that follows from the public key.",
      target: device.text)
  }

  static func proofInvalid(_ device: DeviceID) -> ServiceFailure {
    ServiceFailure(
      .unprocessableContent, code: "ProofInvalid",
      message: "The proof was not made with the private key of that public key, for this service, "
        + "this catalog and this challenge. Nothing was registered.",
      target: device.text)
  }
}
