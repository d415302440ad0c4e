// Device groups over HTTP.

import HTTPTypes
import Hummingbird
import ServiceAPI

extension DeviceGroupRecord {
  var resource: DeviceGroupResource {
    DeviceGroupResource(
      id: reference.path, name: reference.name,
      type: "Microsoft.AzureSphere/catalogs/products/deviceGroups",
      systemData: authorship.systemData,
      properties: properties)
  }
}

struct DeviceGroupRoutes: EndpointGroup {
  /// The path of one device group.
  static let path = ProductRoutes.path + "/deviceGroups/{deviceGroup}"

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, ProductRoutes.path + "/deviceGroups", id: "DeviceGroups_ListByProduct",
        "Lists the device groups of a product.", tag: .deviceGroups,
        access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<DeviceGroupResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofDeviceGroups)
        let found = try await management.deviceGroups(in: context.product(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
      Endpoint(
        .get, Self.path, id: "DeviceGroups_Get", "Shows a device group.", tag: .deviceGroups,
        access: .init(.readResources, in: .catalog), answers: [.ok(DeviceGroupResource.self)]
      ) { _, context in
        try jsonResponse(await management.deviceGroup(context.deviceGroup()).resource)
      },
      Endpoint(
        .put, Self.path, id: "DeviceGroups_CreateOrUpdate", "Makes or replaces a device group.",
        tag: .deviceGroups, access: .init(.writeResources, in: .catalog),
        body: .json(DeviceGroupChange.self),
        answers: [.ok(DeviceGroupResource.self, "Replaced."), .created(DeviceGroupResource.self)]
      ) { request, context in try await put(request, context) },
      Endpoint(
        .patch, Self.path, id: "DeviceGroups_Update", "Changes a device group.",
        tag: .deviceGroups, access: .init(.writeResources, in: .catalog),
        body: .json(DeviceGroupChange.self), answers: [.ok(DeviceGroupResource.self)]
      ) { request, context in
        let group = try context.deviceGroup()
        try ResourceNames.checkDeviceGroup(group.name)
        let change = try await request.json(DeviceGroupChange.self).checked()
        let record = try await management.patchDeviceGroup(
          group, ConsentRule(service: service, context: context).patch(change, of: group),
          by: context.principal.name)
        log(record, "device group changed", context)
        return try await answer(record, names: change.properties?.regionalDataBoundary, context)
      },
      Endpoint(
        .delete, Self.path, id: "DeviceGroups_Delete", "Deletes a device group without devices.",
        tag: .deviceGroups, access: .init(.writeResources, in: .catalog),
        answers: EndpointAnswer.deletions, refusals: [.conflict]
      ) { _, context in
        let group = try context.deviceGroup()
        try ResourceNames.checkDeviceGroup(group.name)
        return deletionResponse(try await management.deleteDeviceGroup(group))
      },
      Endpoint(
        .post, Self.path + "/countDevices", id: "DeviceGroups_CountDevices",
        "Counts the devices of a device group.", tag: .deviceGroups,
        access: .init(.readResources, in: .catalog), answers: [.ok(CountDevicesAnswer.self)]
      ) { _, context in
        let count = try await management.countDevices(in: context.deviceGroup())
        return try jsonResponse(CountDevicesAnswer(value: count))
      },
    ]
  }

  private func put(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let group = try context.deviceGroup()
    try ResourceNames.checkDeviceGroup(group.name)
    let change = try await request.json(DeviceGroupChange.self).checked()
    let rule = ConsentRule(service: service, context: context)
    let record: DeviceGroupRecord
    let outcome: WriteOutcome
    switch try await rule.put(change, of: group) {
    case .replace(let change):
      (record, outcome) = try await service.management.putDeviceGroup(
        group, change, by: context.principal.name)
    case .keepConsent(let change):
      (record, outcome) = (
        try await service.management.patchDeviceGroup(
          group, change, by: context.principal.name), .replaced
      )
    }
    log(record, "device group written", context)
    return try await answer(
      record, outcome.status, names: change.properties?.regionalDataBoundary, context)
  }

  /// The group, and where dumps stay that were stored before its boundary was changed.
  /// - Parameter boundary: what the request named.
  private func answer(
    _ record: DeviceGroupRecord, _ status: HTTPResponse.Status = .ok,
    names boundary: RegionalDataBoundary?, _ context: ServiceContext
  ) async throws -> Response {
    var headers = HTTPFields()
    if boundary != nil, let notice = try await service.dumps.notice(of: record) {
      if let name = HTTPField.Name.martletNotice { headers[name] = notice }
      context.logger.notice(
        "regional data boundary: older dumps stay where they are",
        metadata: ["group": "\(record.reference.path)", "notice": "\(notice)"])
    }
    return try jsonResponse(record.resource, status: status, headers: headers)
  }

  private func log(_ record: DeviceGroupRecord, _ what: String, _ context: ServiceContext) {
    context.logger.notice(
      "\(what)",
      metadata: [
        "group": "\(record.reference.path)", "by": "\(context.principal.name)",
        "allowCrashDumpsCollection": "\(record.properties.allowCrashDumpsCollection.rawValue)",
        "regionalDataBoundary": "\(record.properties.regionalDataBoundary.rawValue)",
      ])
  }
}
