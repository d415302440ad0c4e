// Bridge, operators and service over TLS: with tokens, with certificates, and without what is needed.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import ServiceAPI
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(3))) struct SecureAccessTests {
    @Test(arguments: [Desk.Access.tls, .certificates])
    func `a crash reaches the operator over TLS`(access: Desk.Access) async throws {
      let stored = try await Stand.with(access: access) { stand in
        try stand.startEverything()
        let key = try stand.crashAndStart("crash divide")
        let stored = try stand.waitUntilStored([key])
        #expect(try !stand.content(of: stored[0]).isEmpty)
        return stored
      }
      #expect(stored.count == 1)
    }

    @Test func `who is not trusted or not known is told what to do`() async throws {
      try await Desk.with(access: .tls) { desk in
        try desk.makeGroup()
        let list = ["catalog", "list"]
        let untrusted = try desk.askMartlet(list, without: "MARTLET_CA")
        #expect(untrusted.code == 1)
        #expect(untrusted.errors.contains("--ca"), "\(untrusted.errors)")
        let unknown = try desk.askMartlet(list, without: "MARTLET_TOKEN")
        #expect(unknown.code == 1)
        #expect(unknown.errors.contains("martlet-service token create"), "\(unknown.errors)")
        let plain = try desk.askMartlet(
          list + ["--service", "http://127.0.0.1:\(desk.port)"])
        #expect(plain.code == 1)
        #expect(plain.errors.contains("https://"), "\(plain.errors)")

        // Revoked while the service runs.
        #expect(try desk.askMartlet(list).code == 0)
        let id = desk.operatorToken.split(separator: "_")[1]
        try desk.runService([
          "token", "revoke", "--data", desk.folder.file("service").path, String(id),
        ])
        let refused = try poll(for: "refusal of the revoked token") {
          let answer = try desk.askMartlet(list)
          return answer.code == 0 ? nil : answer
        }
        #expect(refused.errors.contains("revoked"), "\(refused.errors)")
      }
    }

    @Test func `in the clear the service listens on loopback alone`() throws {
      try TemporaryDirectory.with { folder in
        let service = try ProcessChild(
          Programs.url("martlet-service"),
          ["run", "--data", folder.file("data").path, "--http", "--host", "0.0.0.0"])
        #expect(try service.waitForEnd() == .exit(64))
        #expect(service.errors.contains("loopback"))
        #expect(!FileManager.default.fileExists(atPath: folder.file("data").path))
      }
    }
  }
}
