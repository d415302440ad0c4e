// Deployments over HTTP.

import Foundation
import HTTPTypes
import Hummingbird
import ServiceAPI

struct DeploymentRoutes: EndpointGroup {
  static let listPath = DeviceGroupRoutes.path + "/deployments"
  /// The path of one deployment.
  static let path = listPath + "/{deployment}"
  /// The most images in one deployment.
  static let mostImages = 32

  let service: CrashService

  var endpoints: [Endpoint] {
    let management = service.management
    return [
      Endpoint(
        .get, Self.listPath, id: "Deployments_ListByDeviceGroup",
        "Lists the deployments of a device group, the latest first.", tag: .images,
        access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<DeploymentResource>.self)]
      ) { request, context in
        let query = try ListQuery(request, over: FilterField.ofDeployments)
        let found = try await management.deployments(of: context.deviceGroup(), page: query.page)
        return try jsonResponse(query.list(found.map(\.resource), of: request))
      },
      Endpoint(
        .get, Self.path, id: "Deployments_Get",
        "Shows a deployment; .default is the group's latest.", tag: .images,
        access: .init(.readResources, in: .catalog), answers: [.ok(DeploymentResource.self)]
      ) { _, context in
        try jsonResponse(
          await management.deployment(context.part("deployment"), of: context.deviceGroup())
            .resource)
      },
      Endpoint(
        .put, Self.path, id: "Deployments_CreateOrUpdate",
        "Deploys images to a device group; .default makes an id.", tag: .images,
        access: .init(.writeResources, in: .catalog), body: .json(DeploymentPut.self),
        answers: [.ok(DeploymentResource.self, "Was there."), .created(DeploymentResource.self)],
        refusals: [.conflict]
      ) { request, context in try await put(request, context) },
      Endpoint(
        .delete, Self.path, id: "Deployments_Delete", "Deletes a deployment.", tag: .images,
        access: .init(.writeResources, in: .catalog), answers: EndpointAnswer.deletions
      ) { _, context in
        deletionResponse(
          try await management.deleteDeployment(
            context.part("deployment"), of: context.deviceGroup()))
      },
    ]
  }

  private func put(_ request: Request, _ context: ServiceContext) async throws -> Response {
    let group = try context.deviceGroup()
    let name = try context.part("deployment")
    let asked = try await request.json(DeploymentPut.self).properties
    let named = try asked.deploymentId.map {
      try ResourceNames.guid($0, of: "deployment", target: "properties.deploymentId")
    }
    let id: String
    if name == ManagementStore.currentDeployment {
      id = named ?? ManagementStore.newID()
    } else {
      id = try ResourceNames.guid(name, of: "deployment", target: "deployment")
      guard named ?? id == id else {
        throw ServiceFailure.invalid(
          "The body is about another deployment than the path.",
          target: "properties.deploymentId")
      }
    }
    guard (1...Self.mostImages).contains(asked.deployedImages.count) else {
      throw ServiceFailure.invalid(
        "A deployment has 1 to \(Self.mostImages) images, not \(asked.deployedImages.count).",
        target: "properties.deployedImages")
    }
    let (record, outcome) = try await service.management.putDeployment(
      id, of: group, images: asked.deployedImages.map(\.properties.imageId),
      by: context.principal.name)
    context.logger.notice(
      "images deployed", metadata: ["group": "\(group.path)", "deployment": "\(id)"])
    return try jsonResponse(record.resource, status: outcome.status)
  }
}
