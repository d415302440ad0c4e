// A catalog's certificate over HTTP, and the proof that the service has its key.

import Foundation
import HTTPTypes
import Hummingbird
import ServiceAPI

struct CertificateRoutes: EndpointGroup {
  static let listPath = CatalogRoutes.path + "/certificates"
  /// The path of one certificate.
  static let path = listPath + "/{serialNumber}"

  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .get, Self.listPath, id: "Certificates_ListByCatalog",
        "Lists a catalog's certificates: it has one.", tag: .catalogs,
        access: .init(.readResources, in: .catalog), query: ListQuery.parameters,
        answers: [.ok(ResourceList<CertificateResource>.self)]
      ) { request, context in
        // There is nothing to filter by in a list of one.
        let query = try ListQuery(request, over: [])
        let found = try await certificate(context)
        return try jsonResponse(
          query.list(
            Array([found.resource].dropFirst(query.page.offset)), of: request))
      },
      Endpoint(
        .get, Self.path, id: "Certificates_Get", "Shows a certificate.", tag: .catalogs,
        access: .init(.readResources, in: .catalog), answers: [.ok(CertificateResource.self)]
      ) { _, context in
        try jsonResponse(await named(context).resource)
      },
      Endpoint(
        .post, Self.path + "/retrieveCertChain", id: "Certificates_RetrieveCertChain",
        "Shows a certificate with those above it.", tag: .catalogs,
        access: .init(.readResources, in: .catalog), answers: [.ok(CertificateChain.self)]
      ) { _, context in
        let chain = try await named(context).certificate.chain
        return try jsonResponse(
          CertificateChain(certificateChain: Data(chain).base64EncodedString()))
      },
      Endpoint(
        .post, Self.path + "/retrieveProofOfPossessionNonce",
        id: "Certificates_RetrieveProofOfPossessionNonce",
        "Makes a certificate for a nonce, signed with the catalog's key.", tag: .catalogs,
        access: .init(.writeResources, in: .catalog), body: .json(ProofOfPossessionRequest.self),
        answers: [.ok(CertificateProperties.self)]
      ) { request, context in try await prove(request, context) },
    ]
  }

  private struct Found {
    var certificate: CatalogCertificate
    var resource: CertificateResource
  }

  private func certificate(_ context: ServiceContext) async throws -> Found {
    let (certificate, catalog) = try await service.management.certificate(of: context.catalog())
    let serial = certificate.serialNumber
    return Found(
      certificate: certificate,
      resource: CertificateResource(
        id: "\(catalog)/certificates/\(serial)", name: serial,
        type: "Microsoft.AzureSphere/catalogs/certificates",
        properties: certificate.properties(at: service.now())))
  }

  /// The certificate, when it is the one that the path names.
  private func named(_ context: ServiceContext) async throws -> Found {
    let found = try await certificate(context)
    let serial = try context.part("serialNumber")
    guard found.resource.name.lowercased() == serial.lowercased() else {
      throw ServiceFailure.notFound(
        "The certificate", String(serial.prefix(60)), hint: "The catalog has another one.")
    }
    return found
  }

  private func prove(_ request: Request, _ context: ServiceContext) async throws -> Response {
    _ = try await named(context)
    let nonce = try await request.json(ProofOfPossessionRequest.self).proofOfPossessionNonce
    // A common name is not longer (RFC 5280, appendix A.1).
    guard (1...64).contains(nonce.utf8.count),
      nonce.utf8.allSatisfy({ Self.nonceCharacters.contains($0) })
    else {
      throw ServiceFailure.invalid(
        "A nonce has 1 to 64 letters, digits, '-', '.', '_' and '~'.",
        target: "proofOfPossessionNonce")
    }
    let proof = try await service.management.proof(of: context.catalog(), to: nonce)
    context.logger.notice(
      "possession of a catalog's key proved", metadata: ["by": "\(context.principal.name)"])
    return try jsonResponse(proof.properties(at: service.now()))
  }

  private static let nonceCharacters = Set(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
}
