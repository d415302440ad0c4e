// Devices over HTTP: claiming, looking, moving, unclaiming.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension DeviceRecord {
  var resource: DeviceResource {
    DeviceResource(
      id: group.devicePath(id.text), name: id.text,
      type: "Microsoft.AzureSphere/catalogs/products/deviceGroups/devices",
      systemData: SystemData(createdAt: claimedAt, lastModifiedAt: nil),
      properties: DeviceProperties(deviceId: id.text))
  }
}

struct DeviceRoutes: Sendable {
  /// The most devices that one request claims.
  static let mostClaims = 1000

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.post(DeviceGroupRoutes.path.appendingPath("claimDevices")) { request, context in
      let group = try context.deviceGroup()
      let identifiers = try await request.json(ClaimDevicesRequest.self).deviceIdentifiers
      guard (1...Self.mostClaims).contains(identifiers.count) else {
        throw ServiceFailure.invalid(
          "deviceIdentifiers names 1 to \(Self.mostClaims) devices, not \(identifiers.count).",
          target: "deviceIdentifiers")
      }
      let devices = try identifiers.map(ResourceNames.device)
      let operation = try await management.claim(devices, into: group)
      context.logger.notice(
        "devices claimed", metadata: ["group": "\(group.path)", "count": "\(devices.count)"])
      // As it stands in the path: percent-encoded.
      let path = OperationRoutes.path(subscription: context.parameters.get("subscription") ?? "")
      // Without Retry-After clients wait 30 s between polls; the operation is done at once.
      return Response(
        status: .accepted,
        headers: [.location: "\(request.origin)\(path)/\(operation)", .retryAfter: "1"])
    }
    router.get(DeviceGroupRoutes.path.appendingPath("devices")) { request, context in
      let page = try request.page()
      let found = try await management.devices(in: context.deviceGroup(), page: page)
      return try jsonResponse(request.list(found.map(\.resource), page))
    }
    router.group(DeviceGroupRoutes.path.appendingPath("devices/:device"))
      .get { _, context in
        let record = try await management.device(context.device(), in: context.deviceGroup())
        return try jsonResponse(record.resource)
      }
      .patch { request, context in
        let change = try await request.json(DeviceChange.self)
        let device = try context.device()
        let group = try context.deviceGroup()
        guard let id = change.properties?.deviceGroupId else {
          return try jsonResponse(await management.device(device, in: group).resource)
        }
        guard let target = DeviceGroupReference(resourceID: id) else {
          throw ServiceFailure.invalid(
            "'\(id.prefix(300))' is not the resource id of a device group.",
            target: "properties.deviceGroupId")
        }
        let record = try await management.move(device, from: group, to: target)
        context.logger.notice(
          "device moved",
          metadata: ["device": "\(device.text)", "group": "\(record.group.path)"])
        return try jsonResponse(record.resource)
      }
      .delete { _, context in
        let device = try context.device()
        let group = try context.deviceGroup()
        let existed = try await management.unclaim(device, from: group)
        if existed {
          context.logger.notice(
            "device unclaimed", metadata: ["device": "\(device.text)", "group": "\(group.path)"])
        }
        return deletionResponse(existed)
      }
  }
}

/// Where callers of long-running operations ask how far those are.
struct OperationRoutes: Sendable {
  static func path(subscription: String) -> String {
    "/subscriptions/\(subscription)/providers/Microsoft.AzureSphere/locations/global"
      + "/operationStatuses"
  }

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.get(
      """
      subscriptions/:subscription/providers/Microsoft.AzureSphere/locations/:location\
      /operationStatuses/:operation
      """
    ) { request, context in
      let id = try context.part("operation")
      guard try await management.operationExists(id) else {
        throw ServiceFailure.notFound(
          "The operation", String(id.prefix(60)), hint: "Operations are remembered for a day.")
      }
      return try jsonResponse(
        OperationStatus(id: request.uri.path, name: id, status: .succeeded))
    }
  }
}
