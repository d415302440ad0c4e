// Device groups over HTTP.

import Hummingbird
import ServiceAPI

extension DeviceGroupRecord {
  var resource: DeviceGroupResource {
    DeviceGroupResource(
      id: reference.path, name: reference.name,
      type: "Microsoft.AzureSphere/catalogs/products/deviceGroups",
      systemData: SystemData(createdAt: createdAt, lastModifiedAt: modifiedAt),
      properties: properties)
  }
}

struct DeviceGroupRoutes: Sendable {
  /// The path of one device group.
  static let path = ProductRoutes.path.appendingPath("deviceGroups/:deviceGroup")

  let service: CrashService

  func add(to router: Router<BasicRequestContext>) {
    let management = service.management
    router.get(ProductRoutes.path.appendingPath("deviceGroups")) { request, context in
      let page = try request.page()
      let found = try await management.deviceGroups(in: context.product(), page: page)
      return try jsonResponse(request.list(found.map(\.resource), page))
    }
    router.group(Self.path)
      .get { _, context in
        try jsonResponse(await management.deviceGroup(context.deviceGroup()).resource)
      }
      .put { request, context in
        let group = try context.deviceGroup()
        try ResourceNames.checkDeviceGroup(group.name)
        let (record, outcome) = try await management.putDeviceGroup(
          group, request.json(DeviceGroupChange.self))
        log(record, "device group written", context)
        return try jsonResponse(record.resource, status: outcome.status)
      }
      .patch { request, context in
        let group = try context.deviceGroup()
        try ResourceNames.checkDeviceGroup(group.name)
        let record = try await management.patchDeviceGroup(
          group, request.json(DeviceGroupChange.self))
        log(record, "device group changed", context)
        return try jsonResponse(record.resource)
      }
      .delete { _, context in
        let group = try context.deviceGroup()
        try ResourceNames.checkDeviceGroup(group.name)
        return deletionResponse(try await management.deleteDeviceGroup(group))
      }
      .post("countDevices") { _, context in
        let count = try await management.countDevices(in: context.deviceGroup())
        return try jsonResponse(CountDevicesAnswer(value: count))
      }
  }

  private func log(
    _ record: DeviceGroupRecord, _ what: String, _ context: BasicRequestContext
  ) {
    context.logger.notice(
      "\(what)",
      metadata: [
        "group": "\(record.reference.path)",
        "allowCrashDumpsCollection": "\(record.properties.allowCrashDumpsCollection.rawValue)",
        "regionalDataBoundary": "\(record.properties.regionalDataBoundary.rawValue)",
      ])
  }
}
