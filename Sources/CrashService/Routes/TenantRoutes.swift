// The older public API over HTTP: the same consent, said in another way.

import HTTPTypes
import Hummingbird
import ServiceAPI

struct TenantRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, TenantPath.tenants, id: "Tenants_List",
        "Lists the caller's catalogs as tenants.", tag: .tenants,
        access: .init(.readResources, in: .handler), answers: [.ok([Tenant].self)]
      ) { _, context in
        let page = Page(offset: 0, limit: .max)
        let found = try await management.catalogs(in: context.principal.catalogs, page: page)
        let roles = context.principal.tenantRoles
        return try jsonResponse(
          found.map { Tenant(id: $0.id, name: $0.reference.name, roles: roles) })
      },
      Endpoint(
        .get, TenantPath.deviceGroups(tenant: "{tenant}"), id: "Tenants_ListDeviceGroups",
        "Lists every device group of a tenant.", tag: .tenants,
        access: .init(.readResources, in: .handler), answers: [.ok(TenantGroupList.self)]
      ) { _, context in
        let tenant = try await tenant(context)
        let found = try await management.tenantGroups(ofCatalog: tenant.id)
        return try jsonResponse(TenantGroupList(items: found.map(\.resource)))
      },
      Endpoint(
        .get, TenantPath.deviceGroup(tenant: "{tenant}", group: "{group}"),
        id: "Tenants_GetDeviceGroup", "Shows a device group of a tenant.", tag: .tenants,
        access: .init(.readResources, in: .handler), answers: [.ok(TenantGroup.self)]
      ) { _, context in
        try jsonResponse(await group(context).resource)
      },
      Endpoint(
        .patch, TenantPath.deviceGroup(tenant: "{tenant}", group: "{group}"),
        id: "Tenants_UpdateDeviceGroup", "Changes a device group of a tenant.", tag: .tenants,
        access: .init(.writeResources, in: .handler), body: .json(TenantGroupChange.self),
        answers: [.ok(TenantGroup.self)]
      ) { request, context in try await patch(request, context) },
    ]
  }

  private func tenant(_ context: ServiceContext) async throws -> CatalogRecord {
    try await service.management.catalog(
      id: context.part("tenant"), in: context.principal.catalogs)
  }

  private func group(_ context: ServiceContext) async throws -> TenantGroupRecord {
    try await service.management.tenantGroup(
      context.part("group"), ofCatalog: tenant(context).id)
  }

  private func patch(_ request: Request, _ context: ServiceContext) async throws -> Response {
    var found = try await group(context)
    let change = try await request.json(TenantGroupChange.self).resourceChange().checked()
    let reference = found.group.reference
    found.group = try await service.management.patchDeviceGroup(
      reference,
      ConsentRule(service: service, context: context).patch(change, of: reference),
      by: context.principal.name)
    let consent = found.group.properties.allowCrashDumpsCollection
    context.logger.notice(
      "device group changed",
      metadata: [
        "group": "\(reference.path)", "by": "\(context.principal.name)",
        "allowCrashDumpsCollection": "\(consent.rawValue)",
      ])
    return try jsonResponse(found.resource)
  }
}

extension Principal {
  /// The caller's roles as the older API names them.
  fileprivate var tenantRoles: [String] {
    roles.map { $0.rawValue.prefix(1).uppercased() + $0.rawValue.dropFirst() }.sorted()
  }
}

extension TenantGroupChange {
  /// The same change in the words of the Resource Manager dialect.
  /// - Throws: ``ServiceFailure`` with 400 for a number that stands for nothing.
  fileprivate func resourceChange() throws -> DeviceGroupChange {
    DeviceGroupChange(
      properties: .init(
        description: description, osFeedType: try choice(osFeedType, "OSFeedType"),
        updatePolicy: try choice(updatePolicy, "UpdatePolicy"),
        allowCrashDumpsCollection: allowCrashDumpsCollection.map { $0 ? .enabled : .disabled }))
  }

  private func choice<Choice: ClosedChoice>(_ number: Int?, _ member: String) throws -> Choice?
  where Choice.AllCases == [Choice] {
    guard let number else { return nil }
    guard let choice = Choice(number: number) else {
      let numbers = Choice.allCases.map { "\($0.number) (\($0.rawValue))" }
      throw ServiceFailure(
        .badRequest, code: "InvalidRequestContent",
        message: "'\(member)' is one of \(numbers.joined(separator: ", ")).", target: member)
    }
    return choice
  }
}
