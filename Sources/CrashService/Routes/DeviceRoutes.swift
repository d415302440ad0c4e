// Devices over HTTP: claiming, looking, moving, unclaiming.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension DeviceRecord {
  var resource: DeviceResource {
    DeviceResource(
      id: group.devicePath(id.text), name: id.text,
      type: "Microsoft.AzureSphere/catalogs/products/deviceGroups/devices",
      systemData: authorship.systemData,
      properties: DeviceProperties(deviceId: id.text))
  }
}

struct DeviceRoutes: EndpointGroup {
  /// The most devices that one request claims.
  static let mostClaims = 1000
  /// The path of one device in its group.
  static let path = DeviceGroupRoutes.path + "/devices/{device}"

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .post, DeviceGroupRoutes.path + "/claimDevices", id: "DeviceGroups_ClaimDevices",
        "Claims devices into a group.", tag: .devices,
        access: .init(.writeResources, in: .catalog), body: .json(ClaimDevicesRequest.self),
        answers: [EndpointAnswer(.accepted, nil, "Begun: Location says where to ask for the end.")],
        refusals: [.conflict]
      ) { request, context in try await claim(request, context) },
      Endpoint(
        .get, DeviceGroupRoutes.path + "/devices", id: "Devices_ListByDeviceGroup",
        "Lists the devices of a group.", tag: .devices,
        access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<DeviceResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofDevices)
        let found = try await management.devices(in: context.deviceGroup(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
      Endpoint(
        .get, Self.path, id: "Devices_Get", "Shows a device.", tag: .devices,
        access: .init(.readResources, in: .catalog), answers: [.ok(DeviceResource.self)]
      ) { _, context in
        let record = try await management.device(context.device(), in: context.deviceGroup())
        return try jsonResponse(record.resource)
      },
      Endpoint(
        .put, Self.path, id: "Devices_CreateOrUpdate",
        "Claims a device into a group, or moves it there within its catalog.", tag: .devices,
        access: .init(.writeResources, in: .catalog), body: .json(DevicePut.self),
        answers: [.ok(DeviceResource.self, "Was there or moved."), .created(DeviceResource.self)],
        refusals: [.conflict]
      ) { request, context in try await put(request, context) },
      Endpoint(
        .post, Self.path + "/generateCapabilityImage", id: "Devices_GenerateCapabilityImage",
        "Refused: boards of this service take no capability images.", tag: .devices,
        access: .init(.writeResources, in: .catalog), body: .json(CapabilityRequest.self),
        answers: []
      ) { _, context in
        _ = try await management.device(context.device(), in: context.deviceGroup())
        throw ServiceFailure(
          .badRequest, code: "CapabilityNotSupported",
          message: "There are no capability images for the boards of this service: a debugger is "
            + "attached, and an image is flashed (martlet-bridge flash), without one.",
          target: "capabilities")
      },
      Endpoint(
        .patch, Self.path, id: "Devices_Update", "Moves a device to another group of its catalog.",
        tag: .devices, access: .init(.writeResources, in: .catalog),
        body: .json(DeviceChange.self), answers: [.ok(DeviceResource.self)]
      ) { request, context in try await change(request, context) },
      Endpoint(
        .delete, Self.path, id: "Devices_Delete", "Unclaims a device.", tag: .devices,
        access: .init(.writeResources, in: .catalog), answers: EndpointAnswer.deletions
      ) { _, context in
        let device = try context.device()
        let group = try context.deviceGroup()
        let existed = try await management.unclaim(device, from: group)
        if existed {
          context.logger.notice(
            "device unclaimed", metadata: ["device": "\(device.text)", "group": "\(group.path)"])
        }
        return deletionResponse(existed)
      },
    ]
  }

  private func claim(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let group = try context.deviceGroup()
    let identifiers = try await request.json(ClaimDevicesRequest.self).deviceIdentifiers
    guard (1...Self.mostClaims).contains(identifiers.count) else {
      throw ServiceFailure.invalid(
        "deviceIdentifiers names 1 to \(Self.mostClaims) devices, not \(identifiers.count).",
        target: "deviceIdentifiers")
    }
    let devices = try identifiers.map(ResourceNames.device)
    let operation = try await service.management.claim(
      devices, into: group, by: context.principal.name)
    context.logger.notice(
      "devices claimed", metadata: ["group": "\(group.path)", "count": "\(devices.count)"])
    return OperationRoutes.accepted(operation, request, context)
  }

  private func put(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let group = try context.deviceGroup()
    let device = try context.device()
    if let named = try await request.json(DevicePut.self).properties?.deviceId {
      guard try ResourceNames.device(named) == device else {
        throw ServiceFailure.invalid(
          "The body is about another device than the path.", target: "properties.deviceId")
      }
    }
    let wasClaimed = try await service.management.standing(of: device).placement != nil
    _ = try await service.management.claim([device], into: group, by: context.principal.name)
    let record = try await service.management.device(device, in: group)
    context.logger.notice(
      "devices claimed", metadata: ["group": "\(group.path)", "count": "1"])
    return try jsonResponse(record.resource, status: wasClaimed ? .ok : .created)
  }

  private func change(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let change = try await request.json(DeviceChange.self)
    let device = try context.device()
    let group = try context.deviceGroup()
    guard let id = change.properties?.deviceGroupId else {
      return try jsonResponse(await service.management.device(device, in: group).resource)
    }
    let unassigned = DeviceGroupReference(
      product: ProductReference(
        catalog: group.product.catalog, name: ProductReference.defaultName),
      name: DeviceGroupReference.unassignedName)
    guard
      let target = id == DeviceChange.Properties.unassigned
        ? unassigned : DeviceGroupReference(resourceID: id)
    else {
      throw ServiceFailure.invalid(
        "'\(id.prefix(300))' is not the resource id of a device group.",
        target: "properties.deviceGroupId")
    }
    try context.require(target.product.catalog)
    let record = try await service.management.move(
      device, from: group, to: target, by: context.principal.name)
    context.logger.notice(
      "device moved", metadata: ["device": "\(device.text)", "group": "\(record.group.path)"])
    return try jsonResponse(record.resource)
  }
}
