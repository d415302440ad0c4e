// The description of the API, for programs.

import Foundation
import Hummingbird
import NIOCore
import ServiceAPI

struct OpenAPIRoutes: EndpointGroup {
  /// Of every endpoint, this one included; made once.
  private let document: @Sendable () throws -> Data

  /// - Parameter endpoints: all of them.
  init(_ endpoints: @escaping @Sendable () -> [Endpoint]) {
    document = {
      try ServiceJSON.encoder().encode(OpenAPIDocument(endpoints: endpoints()).json)
    }
  }

  var endpoints: [Endpoint] {
    let kept = KeptDocument(make: document)
    return [
      Endpoint(
        .get, "/openapi.json", id: "OpenAPI_Get", "Describes this API.", tag: .operation,
        access: .open, answers: [EndpointAnswer(.ok, .text("application/json"), "OpenAPI 3.1.")]
      ) { _, _ in
        Response(
          status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
          body: ResponseBody(byteBuffer: ByteBuffer(bytes: try kept.bytes())))
      }
    ]
  }
}
