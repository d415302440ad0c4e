// Devices as operators claim them: with the identity that their board showed, and out of the catalog again.

import Foundation
import HostBridge
import MartletBenchKit
import MartletTestKit
import ServiceAPI
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(3))) struct ClaimTests {
    private static let device = SoftwareDevice(seed: 20)

    /// A desk with a service and a group, and the file of a device's identity.
    private static func with<Result: Sendable>(
      _ body: @escaping @Sendable (Desk, String) throws -> Result
    ) async throws -> Result {
      try await TemporaryDirectory.with { folder in
        let desk = try Desk(in: folder)
        defer { desk.close() }
        try await onThread {
          try desk.startService()
          try desk.makeGroup()
        }
        let file = try await identityFile(desk)
        return try await onThread { try body(desk, file) }
      }
    }

    /// What `martlet-bridge provision -o json` prints of the device, in a file.
    private static func identityFile(_ desk: Desk) async throws -> String {
      let offer = try await HTTPServiceClient(
        service: desk.address, login: ServiceLogin(token: desk.bridgeToken)
      ).offer(
        ProvisioningRequest(
          subscription: CatalogScope.defaultSubscription,
          resourceGroup: CatalogScope.defaultResourceGroup, catalog: "bench"))
      let answer = try #require(
        device.identity(
          answering: [UInt8](offer.signingKey + offer.claimKey + offer.challenge)))
      let identity = ProvisionedIdentity(
        deviceId: device.device.text,
        proof: DeviceIdentityProof(
          challenge: offer.challenge, publicKey: Data(answer[..<32]), enc: Data(answer[32..<64]),
          proof: Data(answer[64...])))
      let file = desk.folder.file("identity.json")
      try ServiceJSON.encoder().encode(identity).write(to: file)
      return file.path
    }

    private static let claim = ["device", "claim", "--product", "DW100", "--device-group", "Field"]

    @Test func `an identity registers and claims in one go, also twice, and is shown`() async throws
    {
      let shown = try await Self.with { desk, file in
        for _ in 0..<2 { try desk.martlet(Self.claim + ["--identity", file]) }
        return try desk.martlet("device", "show", "--device", Self.device.device.text, "-o", "json")
      }
      #expect(shown.contains(#""provisionedFor" : "bench""#))
    }

    @Test func `a device claimed by its id alone is shown as not provisioned`() async throws {
      let shown = try await Self.with { desk, _ in
        try desk.martlet(Self.claim + ["--device", Self.device.device.text])
        return try desk.martlet("device", "show", "--device", Self.device.device.text)
      }
      #expect(shown.contains("ProvisionedFor         no"))
    }

    @Test func `an unclaimed device is gone from the catalog and can come back`() async throws {
      let words = try await Self.with { desk, file in
        try desk.martlet(Self.claim + ["--identity", file])
        let unclaim = ["device", "unclaim", "--device", Self.device.device.text]
        try desk.martlet(unclaim)
        let words = try desk.martlet(unclaim, exit: 1)
        try desk.martlet(Self.claim + ["--identity", file])
        return words
      }
      #expect(words.contains("not in the catalog 'bench'"))
    }

    @Test func `a file that is no identity is named`() async throws {
      let words = try await Self.with { desk, _ in
        let file = desk.folder.file("other.json")
        try Data(#"{"deviceId":"12"}"#.utf8).write(to: file)
        return try ["other.json", "missing.json"].map {
          try desk.martlet(Self.claim + ["--identity", desk.folder.file($0).path], exit: 1)
        }
      }
      #expect(words[0].contains("other.json holds no identity"))
      #expect(words[1].contains("missing.json cannot be read"))
    }

    @Test func `a service started with another master key says so and stops`() async throws {
      let words = try await Self.with { desk, _ in
        desk.killService()
        let service = try ProcessChild(
          Programs.url("martlet-service"),
          ["run", "--data", desk.folder.file("service").path, "--port", "0", "--http"],
          environment: ["MARTLET_MASTER_KEY": Data(repeating: 7, count: 32).base64EncodedString()])
        #expect(try service.waitForEnd() == .exit(1))
        return service.errors
      }
      #expect(words.contains("was made with another master key"))
      #expect(words.contains("--master-key-file"))
    }
  }
}
