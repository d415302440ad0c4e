// Clients that others wrote, unchanged, against the real service: the SDK and scripts of the older API.

import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite(.timeLimit(.minutes(5))) struct SDKTests {
    /// Runs one of the programs in Python/ against a desk's service.
    private static func run(_ program: String, _ more: [String], on desk: Desk) throws
      -> (output: String, errors: String, ending: ProcessChild.Ending)
    {
      let script = try #require(
        Bundle.module.url(forResource: program, withExtension: "py", subdirectory: "Python"))
      let python = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: ".build/python/bin/python")
      guard FileManager.default.isExecutableFile(atPath: python.path) else {
        throw ProcessFailure(
          .missing, "\(python.path) is not there", remedy: "Make it with scripts/python-venv")
      }
      let token = desk.folder.file("token")
      try Data(desk.operatorToken.utf8).write(to: token)
      let authority = desk.folder.file("service/tls/ca.pem").path
      let child = try ProcessChild(
        python,
        [script.path, "--url", desk.address, "--token-file", token.path] + more,
        environment: [
          "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1", "REQUESTS_CA_BUNDLE": authority,
        ])
      let ending = try child.waitForEnd(within: .seconds(120))
      return (child.output, child.errors, ending)
    }

    @Test(arguments: [
      (Desk.Access.plaintext, "2024-04-01"), (.plaintext, "2022-09-01-preview"),
      (.tls, "2024-04-01"),
    ])
    func `every operation of the genuine SDK works`(access: Desk.Access, version: String)
      async throws
    {
      let seen = try await Desk.with(access: access) {
        let trust =
          access == .plaintext ? [] : ["--ca", $0.folder.file("service/tls/ca.pem").path]
        return try Self.run("sdk_operations", ["--api-version", version] + trust, on: $0)
      }
      #expect(seen.ending == .exit(0), "\(seen.output)\n\(seen.errors)")
      // As many as azure-mgmt-sphere 1.0.0 has.
      #expect(seen.output.contains("\n45 operations, "), "\(seen.output)")
    }

    @Test(arguments: [Desk.Access.plaintext, .tls])
    func `scripts of the older public API work`(access: Desk.Access) async throws {
      let seen = try await Desk.with(access: access) { desk in
        for (catalog, product, groups) in [
          ("first", "DW100", ["One", "Two"]), ("second", "DW200", ["Three"]),
        ] {
          try desk.martlet("catalog", "create", "--name", catalog)
          try desk.martlet("product", "create", "--catalog", catalog, "--product", product)
          for group in groups {
            try desk.martlet(
              "device-group", "create", "--catalog", catalog, "--product", product,
              "--device-group", group)
          }
        }
        return try Self.run("older_dialect", [], on: desk)
      }
      #expect(seen.ending == .exit(0), "\(seen.output)\n\(seen.errors)")
      #expect(seen.output.contains("8 checks, 0 failures"), "\(seen.output)")
    }
  }
}
