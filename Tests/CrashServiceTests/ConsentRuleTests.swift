// Who may give and take consent, and decide where dumps are kept.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct ConsentRuleTests {
  private func properties(_ bench: ServiceBench, _ group: DeviceGroupReference) async throws
    -> DeviceGroupProperties
  {
    try await bench.get(group.path).decoded(DeviceGroupResource.self).properties
  }

  @Test(arguments: [
    #"{"properties":{"allowCrashDumpsCollection":"Enabled"}}"#,
    #"{"properties":{"regionalDataBoundary":"EU"}}"#,
    #"{"properties":{"description":"x","regionalDataBoundary":"EU"}}"#,
  ])
  func `a contributor changes neither consent nor boundary, an administrator does`(json: String)
    async throws
  {
    try await ServiceBench.run { bench in
      let group = ServiceBench.group
      let new = DeviceGroupReference(product: ServiceBench.product, name: "New")
      let contributor = bench.calling(as: .contributor)
      let answers = [
        try await contributor.patch(group.path, json), try await contributor.put(group.path, json),
        try await contributor.put(new.path, json),
      ]
      for answer in answers {
        #expect(answer.status == .forbidden)
        #expect(answer.code == "AuthorizationFailed")
        #expect(answer.message.contains("administrator"))
      }
      #expect(try await properties(bench, group) == DeviceGroupProperties())
      #expect(try await bench.get(new.path).status == .notFound)

      let administrator = bench.calling(as: .administrator)
      #expect(try await administrator.patch(group.path, json).status == .ok)
      #expect(try await administrator.put(new.path, json).status == .created)
      #expect(try await properties(bench, group) != DeviceGroupProperties())
    }
  }

  @Test func `a contributor changes the rest, and consent stays as it is`() async throws {
    try await ServiceBench.run { bench in
      let group = ServiceBench.group
      try await bench.setConsent(.enabled)
      try await bench.setBoundary(.eu)
      let epoch = try await bench.epoch()
      let contributor = bench.calling(as: .contributor)
      let named = #"""
        {"properties":{"description":"d","allowCrashDumpsCollection":"Enabled",
        "regionalDataBoundary":"EU"}}
        """#
      #expect(try await contributor.patch(group.path, named).status == .ok)
      #expect(try await properties(bench, group).description == "d")
      // A PUT sets back what it does not name, but for what the caller may not change.
      let put = #"{"properties":{"updatePolicy":"No3rdPartyAppUpdates"}}"#
      #expect(try await contributor.put(group.path, put).status == .ok)
      let after = try await properties(bench, group)
      #expect(after.description == "")
      #expect(after.updatePolicy == .no3rdPartyAppUpdates)
      #expect(after.allowCrashDumpsCollection == .enabled)
      #expect(after.regionalDataBoundary == .eu)
      #expect(try await bench.epoch() == epoch)
      // An administrator's PUT sets back consent too.
      #expect(try await bench.calling(as: .administrator).put(group.path, put).status == .ok)
      #expect(try await properties(bench, group).allowCrashDumpsCollection == .disabled)
    }
  }

  @Test func `a contributor makes groups that collect nothing`() async throws {
    try await ServiceBench.run { bench in
      let new = DeviceGroupReference(product: ServiceBench.product, name: "New")
      let json = #"{"properties":{"description":"d","allowCrashDumpsCollection":"Disabled"}}"#
      let made = try await bench.calling(as: .contributor).put(new.path, json)
      #expect(made.status == .created)
      #expect(try await properties(bench, new).allowCrashDumpsCollection == .disabled)
    }
  }
}
