// The description of the API for programs, made of the endpoints themselves.

import Foundation
import HTTPTypes
import ServiceAPI

/// An OpenAPI 3.1 document of all endpoints.
struct OpenAPIDocument {
  let endpoints: [Endpoint]

  var json: JSONValue {
    let reader = SchemaReader()
    var paths: [String: [String: JSONValue]] = [:]
    for endpoint in endpoints {
      paths[endpoint.path, default: [:]][endpoint.method.rawValue.lowercased()] = operation(
        endpoint, reader)
    }
    let tags = Endpoint.Tag.allCases.map { JSONValue.object(["name": .string($0.rawValue)]) }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Martlet crash service", "version": "1",
        "description": "Catalogs, devices, consent and crash dumps.",
      ],
      "tags": .array(tags), "paths": .object(paths.mapValues(JSONValue.object)),
      "security": [["token": []], ["certificate": []]],
      "components": [
        "schemas": .object(reader.components),
        "securitySchemes": [
          "token": [
            "type": "http", "scheme": "bearer",
            "description": "What martlet-service token create printed.",
          ],
          "certificate": [
            "type": "mutualTLS",
            "description": "What martlet-service certificate create made, for bridges.",
          ],
        ],
      ],
    ]
  }

  private func operation(_ endpoint: Endpoint, _ reader: SchemaReader) -> JSONValue {
    var operation: [String: JSONValue] = [
      "operationId": .string(endpoint.id), "summary": .string(endpoint.summary),
      "tags": [.string(endpoint.tag.rawValue)],
      "parameters": .array(
        endpoint.pathParameters.map(pathParameter) + endpoint.query.map(queryParameter)),
      "responses": .object(responses(endpoint, reader)),
    ]
    if let permission = endpoint.access.permission {
      operation["description"] = .string(
        "Takes one of the roles: \(Role.names(permitting: permission)).")
    } else {
      operation["security"] = []
    }
    if let body = endpoint.body {
      operation["requestBody"] = [
        "required": true, "content": content(body.content, reader),
        "description": .string("At most \(body.limit) bytes."),
      ]
    }
    return .object(operation)
  }

  private func pathParameter(_ name: String) -> JSONValue {
    let schema: JSONValue =
      switch name {
      case "device": ["type": "string", "pattern": "^[0-9a-fA-F]{128}$"]
      case "key": ["type": "string", "pattern": "^[0-9]{1,10}-[0-9]{1,10}$"]
      default: ["type": "string", "minLength": 1]
      }
    return ["name": .string(name), "in": "path", "required": true, "schema": schema]
  }

  private func queryParameter(_ parameter: EndpointParameter) -> JSONValue {
    let schema: JSONValue =
      switch parameter.schema {
      case .string: ["type": "string"]
      case .integer(let minimum): ["type": "integer", "minimum": .integer(minimum)]
      case .choice(let words): ["type": "string", "enum": .array(words.map(JSONValue.string))]
      }
    return [
      "name": .string(parameter.name), "in": "query", "required": .bool(parameter.isRequired),
      "description": .string(parameter.summary), "schema": schema,
    ]
  }

  private func content(_ content: EndpointContent, _ reader: SchemaReader) -> JSONValue {
    switch content {
    case .json(let type): ["application/json": ["schema": reader.schema(of: type)]]
    case .bytes: ["application/octet-stream": [:]]
    case .text(let type):
      .object([type: ["schema": ["type": type == "application/json" ? "object" : "string"]]])
    }
  }

  private func responses(_ endpoint: Endpoint, _ reader: SchemaReader) -> [String: JSONValue] {
    var responses: [String: JSONValue] = [:]
    let error: any (Codable & Sendable).Type =
      endpoint.tag == .tenants ? [TenantError].self : ServiceErrorBody.self
    for status in Set(endpoint.commonRefusals + endpoint.refusals) {
      responses["\(status.code)"] = [
        "description": .string(status.reasonPhrase), "content": content(.json(error), reader),
      ]
    }
    for answer in endpoint.answers {
      var response: [String: JSONValue] = ["description": .string(answer.summary)]
      if let body = answer.content { response["content"] = content(body, reader) }
      responses["\(answer.status.code)"] = .object(response)
    }
    return responses
  }
}
