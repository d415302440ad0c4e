// Images, deployments and certificates over HTTP.

import Crypto
import Foundation
import NIOCore
import ServiceAPI
import Testing
import X509

@testable import CrashService

@Suite struct ImageTests {
  private static let id = "5bb8f5e6-7d28-4b6c-a2d5-0b2f9ac11f01"
  private static let path = ServiceBench.catalog.path + "/images/" + id

  private static func body(
    _ content: String, boundary: RegionalDataBoundary = .unbounded, id: String? = nil
  ) throws -> String {
    let put = ImagePut(
      properties: .init(
        image: Data(content.utf8).base64EncodedString(), imageId: id,
        regionalDataBoundary: boundary))
    return String(decoding: try ServiceJSON.encoder().encode(put), as: UTF8.self)
  }

  private static func names(_ bench: ServiceBench, _ list: String) async throws -> [String] {
    try await bench.get(ServiceBench.catalog.path + list)
      .decoded(ResourceList<ImageResource>.self).value.map(\.name)
  }

  @Test func `an image lies in the region of its boundary and nowhere else`() async throws {
    try await ServiceBench.run { bench in
      #expect(
        try await bench.put(Self.path, Self.body("EU image", boundary: .eu)).status == .created)
      #expect(try await bench.put(Self.path, Self.body("EU image", boundary: .eu)).status == .ok)
      let catalog = try await bench.service.management.catalogID(ServiceBench.catalog)
      let digest = Data(SHA256.hash(data: Data("EU image".utf8)))
      for store in bench.service.dumps.all {
        let content = try await store.image(Self.id, digest: digest, ofCatalog: catalog)
        #expect(content == (store.region == .eu ? Data("EU image".utf8) : nil))
      }
      let image = try await bench.get(Self.path).decoded(ImageResource.self)
      #expect(image.properties.regionalDataBoundary == .eu)
      #expect(try await bench.put(Self.path, Self.body("other", boundary: .eu)).status == .conflict)
      #expect(try await bench.put(Self.path, Self.body("EU image")).status == .conflict)
      #expect(try await bench.send(.delete, Self.path).status == .ok)
      #expect(try await bench.send(.delete, Self.path).status == .noContent)
      let left = try await bench.service.dumps.eu.image(Self.id, digest: digest, ofCatalog: catalog)
      #expect(left == nil)
    }
  }

  @Test func `an upload without an id has one made of its bytes`() async throws {
    try await ServiceBench.run { bench in
      let upload = ServiceBench.catalog.path + "/uploadImage"
      for _ in 0..<2 {
        let answer = try await bench.post(upload, Self.body("the same"))
        #expect(answer.status == .accepted)
        let location = try #require(answer.headers[.location])
        #expect(answer.headers[.retryAfter] == "1")
        let path = String(location.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" })
        let status = try await bench.get(path).decoded(OperationStatus.self)
        #expect(status.status == .succeeded)
      }
      let names = try await Self.names(bench, "/images")
      #expect(names.count == 1)
      #expect(UUID(uuidString: names[0]) != nil)
    }
  }

  @Test func `images that are none are refused`() async throws {
    try await ServiceBench.run { bench in
      for (json, words) in [
        (#"{"properties":{"image":"%%%"}}"#, "base64"), (#"{"properties":{"image":""}}"#, "base64"),
        (#"{"properties":{}}"#, "missing"), ("{}", "missing"),
        (try Self.body("x", id: "00000000-0000-4000-8000-000000000000"), "another image"),
        (try Self.body("x", id: "y"), "another image"),
      ] {
        let answer = try await bench.put(Self.path, json)
        #expect(answer.status == .badRequest)
        #expect(answer.message.contains(words), "\(answer.message)")
      }
      let name = try await bench.put(ServiceBench.catalog.path + "/images/x", Self.body("x"))
      #expect(name.status == .badRequest && name.message.contains("GUID"))
      let large = try await bench.put(
        Self.path, Self.body(String(repeating: "x", count: ImageRoutes.largestImage + 1)))
      #expect(large.status == .contentTooLarge)
      #expect(try await Self.names(bench, "/images").isEmpty)
    }
  }

  @Test func `a deployment holds images of its group's boundary`() async throws {
    try await ServiceBench.run { bench in
      let list = ServiceBench.group.path + "/deployments"
      let deploy = #"{"properties":{"deployedImages":[{"properties":{"imageId":"\#(Self.id)"}}]}}"#
      #expect(try await bench.put(list + "/.default", deploy).status == .notFound)
      #expect(try await bench.put(Self.path, Self.body("an image")).status == .created)
      let made = try await bench.put(list + "/.default", deploy)
      #expect(made.status == .created)
      let deployment = try made.decoded(DeploymentResource.self)
      #expect(deployment.properties.deployedImages.map(\.name) == [Self.id])
      #expect(deployment.properties.deploymentDateUtc == bench.clock.now)
      let second = list + "/0F0E0D0C-0B0A-4908-8706-050403020100"
      #expect(try await bench.put(second, deploy).status == .created)
      #expect(try await bench.put(second, deploy).status == .ok)
      let current = try await bench.get(list + "/.default").decoded(DeploymentResource.self)
      #expect(current.name == "0f0e0d0c-0b0a-4908-8706-050403020100")
      let all = try await bench.get(list).decoded(ResourceList<DeploymentResource>.self).value
      #expect(all.map(\.name) == [current.name, deployment.name])
      let group = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(group.properties.hasDeployment)
      #expect(try await bench.send(.delete, Self.path).status == .conflict)

      let eu = #"{"properties":{"regionalDataBoundary":"EU"}}"#
      #expect(try await bench.patch(ServiceBench.otherGroup.path, eu).status == .ok)
      let beyond = try await bench.put(
        ServiceBench.otherGroup.path + "/deployments/.default", deploy)
      #expect(beyond.code == "ImageOutsideBoundary")

      for name in all.map(\.name) {
        #expect(try await bench.send(.delete, "\(list)/\(name)").status == .ok)
      }
      #expect(try await bench.get(list + "/.default").status == .notFound)
      let after = try await bench.get(ServiceBench.group.path).decoded(DeviceGroupResource.self)
      #expect(!after.properties.hasDeployment)
      #expect(try await bench.send(.delete, Self.path).status == .ok)
    }
  }

  @Test func `deployments that are none are refused`() async throws {
    try await ServiceBench.run { bench in
      let path = ServiceBench.group.path + "/deployments/"
      let guid = "0f0e0d0c-0b0a-4908-8706-050403020100"
      let image = #"{"properties":{"imageId":"\#(Self.id)"}}"#
      for (name, json) in [
        ("x", #"{"properties":{"deployedImages":[\#(image)]}}"#),
        (guid, #"{"properties":{"deployedImages":[]}}"#), (guid, #"{"properties":{}}"#),
        (guid, #"{"properties":{"deployedImages":[{}]}}"#),
        (guid, #"{"properties":{"deploymentId":"y","deployedImages":[\#(image)]}}"#),
        (guid, #"{"properties":{"deploymentId":"\#(Self.id)","deployedImages":[\#(image)]}}"#),
      ] {
        let answer = try await bench.put(path + name, json)
        #expect(answer.status == .badRequest, "\(json)")
      }
    }
  }

  @Test func `a catalog's certificate is signed with the key that its devices pin`() async throws {
    try await ServiceBench.run { bench in
      let list = ServiceBench.catalog.path + "/certificates"
      let found = try await bench.get(list).decoded(ResourceList<CertificateResource>.self).value
      let resource = try #require(found.first)
      #expect(found.count == 1)
      let again = try await bench.get("\(list)/\(resource.name.lowercased())")
      #expect(try again.decoded(CertificateResource.self) == resource)
      #expect(try await bench.get(list + "/00").status == .notFound)
      let der = try #require(Data(base64Encoded: resource.properties.certificate))
      let certificate = try Certificate(derEncoded: Array(der))
      let offer = try await bench.service.management.provisioningOffer(for: ServiceBench.catalog)
      let key = try #require(P256.Signing.PublicKey(certificate.publicKey))
      #expect(key.rawRepresentation == offer.signingKey)
      #expect(certificate.publicKey.isValidSignature(certificate.signature, for: certificate))

      let prove = "\(list)/\(resource.name)/retrieveProofOfPossessionNonce"
      let proof = try await bench.post(prove, #"{"proofOfPossessionNonce":"A1-b2"}"#)
        .decoded(CertificateProperties.self)
      let bytes = try #require(Data(base64Encoded: proof.certificate))
      let shown = try Certificate(derEncoded: Array(bytes))
      #expect("\(shown.subject)" == "CN=A1-b2")
      #expect(shown.issuer == certificate.subject)
      #expect(certificate.publicKey.isValidSignature(shown.signature, for: shown))
      for nonce in ["", "a b", "ü", String(repeating: "a", count: 65), "a,O=b"] {
        let answer = try await bench.post(prove, #"{"proofOfPossessionNonce":"\#(nonce)"}"#)
        #expect(answer.status == .badRequest, "\(nonce)")
      }
      let reader = bench.calling(as: .reader)
      #expect(try await reader.post(prove, #"{"proofOfPossessionNonce":"a"}"#).status == .forbidden)
    }
  }
}
