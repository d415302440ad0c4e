// The API's description against what the routes really do.

import Foundation
import HTTPTypes
import MartletTestKit
import NIOCore
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

/// Answers as scripts/openapi-check reads them.
private struct NotedAnswer: Encodable {
  var operation: String
  var status: Int
  var type: String
  var body: String
}

@Suite struct OpenAPITests {
  @Test func `it is served without a login and describes every route, and no other`() async throws {
    try await ServiceBench.run(setUp: false) { bench in
      let answer = try await bench.calling(as: .nobody).get("/openapi.json")
      #expect(answer.status == .ok)
      let document = try #require(
        JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView)) as? [String: Any])
      let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
      let described = paths.flatMap { path, operations in
        operations.keys.map { "\($0.uppercased()) \(path)" }
      }
      let routes = bench.service.endpoints.map { "\($0.method.rawValue) \($0.path)" }
      #expect(Set(described) == Set(routes))
      #expect(described.count == routes.count)
      for operations in paths.values {
        for operation in operations.values {
          let responses = try #require(operation["responses"] as? [String: Any])
          #expect(responses["500"] != nil && responses["503"] != nil && responses["429"] != nil)
          let isOpen = (operation["security"] as? [Any])?.isEmpty ?? false
          #expect((responses["401"] == nil) == isOpen)
        }
      }
    }
  }

  @Test func `schemas are those of the types`() throws {
    let reader = SchemaReader()
    _ = reader.schema(of: ResourceList<DeviceGroupResource>.self)
    _ = reader.schema(of: OfferAnswer.self)
    let group = try #require(reader.components["DeviceGroupProperties"])
    guard case .object(let schema) = group, case .object(let members)? = schema["properties"]
    else {
      Issue.record("no members")
      return
    }
    #expect(
      members["allowCrashDumpsCollection"]
        == ["type": "string", "enum": ["Enabled", "Disabled"]])
    #expect(reader.components["OfferAnswer"] != nil)
    #expect(reader.components["SystemData"] != nil)
  }

  @Test func `answers of every endpoint are as described`() async throws {
    try await ServiceBench.run { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
      let notes = Mutex<[NotedAnswer]>([])
      func note(_ endpoint: Endpoint, _ answer: Answer) {
        notes.withLock {
          $0.append(
            NotedAnswer(
              operation: endpoint.id, status: answer.status.code,
              type: answer.headers[.contentType] ?? "", body: String(buffer: answer.body)))
        }
      }
      let id = try await bench.dumps()[0].id
      let bodies = try Self.bodies()
      let endpoints = bench.service.endpoints.sorted {
        ($0.method == .delete ? 1 : 0, $0.path.count) < (
          $1.method == .delete ? 1 : 0, $1.path.count
        )
      }
      for endpoint in endpoints where endpoint.method != .delete {
        let values = [
          "device": ServiceBench.device, "deviceGroup": "Field%20Test", "dump": id,
        ]
        let path = endpoint.samplePath(values)
        let callers = [
          bench, bench.calling(as: .nobody), bench.calling(as: .reader), bench.calling(as: .bridge),
        ]
        for caller in callers {
          for body in bodies[endpoint.id] ?? [
            nil, ByteBuffer(string: "{}"), ByteBuffer(string: "x"),
          ] {
            note(endpoint, try await caller.send(endpoint.method, path, body))
          }
        }
        let absent = endpoint.samplePath(["catalog": "none", "dump": "none", "operation": "none"])
        note(endpoint, try await bench.send(endpoint.method, absent, ByteBuffer(string: "{}")))
      }
      for endpoint in endpoints.reversed() where endpoint.method == .delete {
        for caller in [bench.calling(as: .nobody), bench, bench] {
          note(endpoint, try await caller.send(.delete, endpoint.samplePath()))
        }
      }
      let answers = notes.withLock { $0 }
      #expect(Set(answers.map(\.operation)).count == endpoints.count)
      #expect(answers.allSatisfy { $0.status != 500 })
      let document = try await bench.get("/openapi.json")
      let outcome = try Self.check(Data(document.body.readableBytesView), answers)
      #expect(outcome.code == 0, "\(outcome.words)")
    }
  }

  /// Bodies with which endpoints do their work.
  private static func bodies() throws -> [String: [ByteBuffer?]] {
    func json(_ value: some Encodable) throws -> ByteBuffer {
      ByteBuffer(bytes: try ServiceJSON.encoder().encode(value))
    }
    return [
      "Bridges_Lease": [
        try json(
          LeaseRequest(
            nonce: Data(0..<16), buildId: "", imageVersion: "1", bootCount: 1,
            uncapturedCrashes: 0))
      ],
      "Bridges_Consents": [try json(ConsentRequest(devices: [ServiceBench.device]))],
      "Provisioning_Offer": [
        try json(ProvisioningRequest(subscription: "s", resourceGroup: "g", catalog: "plant"))
      ],
      "DeviceGroups_ClaimDevices": [
        try json(ClaimDevicesRequest(deviceIdentifiers: [ServiceBench.device]))
      ],
    ]
  }

  private static func check(_ document: Data, _ answers: [NotedAnswer]) throws -> (
    code: Int32, words: String
  ) {
    let folder = TestFolder()
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    let files = [
      folder.url.appending(path: "openapi.json"), folder.url.appending(path: "answers.jsonl"),
    ]
    try document.write(to: files[0])
    let lines = try answers.map {
      String(decoding: try ServiceJSON.encoder().encode($0), as: UTF8.self)
    }
    try Data(lines.joined(separator: "\n").utf8).write(to: files[1])
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let child = try ProcessChild(
      package.appending(path: ".build/python/bin/python"),
      [package.appending(path: "scripts/openapi-check").path] + files.map(\.path))
    guard case .exit(let code) = try child.waitForEnd() else { return (-1, child.errors) }
    return (code, child.errors + child.output)
  }
}
