// TLS: which certificate the service shows, whom it lets in with one, and what happens when one ends.

import Crypto
import Foundation
import ServiceAPI
import Testing
import X509

@testable import CrashService

@Suite struct TransportTests {
  private static let day: TimeInterval = 86_400

  /// A certificate of an operator's own authority, in two PEM files.
  private static func operatorFiles(
    in folder: TestFolder, from start: Date, until end: Date, named name: String = "operator"
  ) throws -> (certificate: URL, key: URL) {
    let key = P256.Signing.PrivateKey()
    let subject = try DistinguishedName { CommonName(name) }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
      notValidBefore: start, notValidAfter: end, issuer: subject, subject: subject,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        SubjectAlternativeNames([try #require(generalName("127.0.0.1"))])
      },
      issuerPrivateKey: .init(key))
    let files = (
      certificate: folder.url.appending(path: "operator.pem"),
      key: folder.url.appending(path: "operator.key")
    )
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    // Anew, not changed: so that it has another number, whatever the clock of the file system says.
    for file in [files.certificate, files.key] { try? FileManager.default.removeItem(at: file) }
    try Data(key.pemRepresentation.utf8).write(to: files.key)
    try Data(certificate.serializeAsPEM().pemString.utf8).write(to: files.certificate)
    return files
  }

  @Test func `the first start makes an authority, and its clients reach the service`() async throws
  {
    let folder = TestFolder()
    try await SecureBench.run(folder: folder) { bench in
      #expect(bench.authority.isNew)
      #expect(try await bench.get("/healthz").status == .ok)
      let refused = try await bench.get(ServiceBench.catalog.path)
      #expect(refused.status == .unauthorized)
    }
    // Whoever trusted it trusts it after a new start.
    try await SecureBench.run(folder: folder) { bench in
      #expect(!bench.authority.isNew)
      let answer = try await bench.get("/healthz")
      #expect(answer.status == .ok)
    }
  }

  @Test func `clients that trust another authority do not reach it`() async throws {
    let elsewhere = TestFolder()
    let other = try CertificateAuthority(
      in: elsewhere.url, masterKey: ServiceBench.masterKey, now: Date())
    try await SecureBench.run { bench in
      await #expect(throws: (any Error).self) {
        _ = try await bench.get("/healthz", trusting: other.certificateFile)
      }
    }
  }

  @Test func `its keys lie on the disk under the master key alone`() throws {
    let folder = TestFolder()
    let authority = try CertificateAuthority(
      in: folder.url, masterKey: ServiceBench.masterKey, now: Date())
    _ = try ServerCertificateSource.authority(
      authority, dataFolder: folder.url, masterKey: ServiceBench.masterKey, names: []
    ).certificate(now: Date())
    let files = try FileManager.default.contentsOfDirectory(
      at: folder.url.appending(path: "tls"), includingPropertiesForKeys: nil)
    #expect(
      Set(files.map(\.lastPathComponent)) == ["ca.pem", "ca.key", "server.pem", "server.key"])
    for file in files {
      let bytes = try Data(contentsOf: file)
      #expect(bytes.range(of: Data("PRIVATE".utf8)) == nil)
    }
    let failure = #expect(throws: ServiceStartFailure.self) {
      try CertificateAuthority(in: folder.url, masterKey: MasterKey(), now: Date())
    }
    #expect(failure?.code == .wrongMasterKey)
  }

  @Test func `the service's own certificate names the machine and is renewed in its last third`()
    throws
  {
    let folder = TestFolder()
    let start = Date(timeIntervalSince1970: 1_800_000_000)
    let clock = TestClock()
    let authority = try CertificateAuthority(
      in: folder.url, masterKey: ServiceBench.masterKey, now: start)
    func server(names: [String] = [], at time: Date) throws -> Certificate {
      _ = try ServerCertificateSource.authority(
        authority, dataFolder: folder.url, masterKey: ServiceBench.masterKey, names: names
      ).certificate(now: time)
      return try Certificate(
        pemEncoded: String(
          contentsOf: folder.url.appending(path: "tls/server.pem"), encoding: .utf8))
    }
    let first = try server(at: clock.now)
    let names = try #require(try first.extensions.subjectAlternativeNames)
    for name in ["localhost", "127.0.0.1", "::1", ProcessInfo.processInfo.hostName] {
      #expect(names.contains(try #require(generalName(name))), "\(name)")
    }
    clock.advance(seconds: 59 * Self.day)
    #expect(try server(at: clock.now) == first)
    clock.advance(seconds: 2 * Self.day)
    let second = try server(at: clock.now)
    #expect(second != first)
    #expect(second.notValidAfter > first.notValidAfter)
    // A new name is a new certificate, and so is a clock that was ahead.
    let third = try server(names: ["crashes.example.org"], at: clock.now)
    #expect(
      try third.extensions.subjectAlternativeNames?.contains(.dnsName("crashes.example.org"))
        == true)
    #expect(try server(names: ["crashes.example.org"], at: start) != third)
  }

  @Test func `a certificate that is due is renewed while the service runs`() async throws {
    try await SecureBench.run { bench in
      let before = try #require(bench.security.context())
      bench.security.refresh()
      #expect(bench.security.context() === before)
      bench.clock.advance(seconds: 61 * Self.day)
      bench.security.refresh()
      let after = try #require(bench.security.context())
      #expect(after !== before)
      #expect(bench.log.lines.contains { $0.contains("new server certificate") })
    }
  }

  @Test func `an operator's certificate that ended serves nobody, until it is replaced`()
    async throws
  {
    let folder = TestFolder()
    let clock = TestClock.present()
    let files = try Self.operatorFiles(
      in: folder, from: clock.now - Self.day, until: clock.now + Self.day)
    try await SecureBench.run(
      folder: folder, clock: clock,
      source: { _ in .files(certificate: files.certificate, key: files.key) }
    ) { bench in
      func health() async throws -> Bool {
        try await bench.get("/healthz", trusting: files.certificate).status == .ok
      }
      #expect(try await health())
      clock.advance(seconds: 2 * Self.day)
      bench.security.refresh()
      bench.security.refresh()
      await #expect(throws: (any Error).self) { try await health() }
      #expect(bench.log.lines.count { $0.contains("connections are refused") } == 1)

      // Half of a replacement changes nothing.
      try Data("nonsense".utf8).write(to: files.key, options: .atomic)
      bench.security.refresh()
      await #expect(throws: (any Error).self) { try await health() }
      _ = try Self.operatorFiles(
        in: folder, from: clock.now - 10 * Self.day, until: clock.now + Self.day)
      bench.security.refresh()
      #expect(try await health())
    }
  }

  @Test func `files that are no certificate and key stop the start with words`() async throws {
    let folder = TestFolder()
    let files = try Self.operatorFiles(
      in: folder, from: Date() - Self.day, until: Date() + Self.day)
    let other = try Self.operatorFiles(
      in: TestFolder(), from: Date() - Self.day, until: Date() + Self.day)
    let none = folder.url.appending(path: "none")
    for (certificate, key) in [
      (none, files.key), (files.certificate, none), (files.key, files.key),
      (files.certificate, other.key),
    ] {
      await #expect(throws: ServiceStartFailure.self) {
        try await SecureBench.run(source: { _ in .files(certificate: certificate, key: key) }) {
          _ in
        }
      }
    }
  }

  // MARK: - Bridges with certificates

  private static func bridge(
    _ bench: SecureBench, catalogs: CatalogGrant = .all, days: Int = 10,
    by authority: CertificateAuthority? = nil
  ) throws -> BridgeCertificate {
    try BridgeCertificate(
      name: "bench-7", by: authority ?? bench.authority, catalogs: catalogs, days: days,
      now: bench.clock.now)
  }

  private static let identity = ProvisioningPath.identity(device: ServiceBench.device)

  @Test func `a bridge logs in with its certificate, and is a bridge and no more`() async throws {
    try await SecureBench.run { bench in
      let certificate = try Self.bridge(bench)
      try await bench.service.access.insert(certificate.credential)
      let known = try await bench.get(Self.identity, showing: certificate)
      #expect(known.status == .notFound)
      let forbidden = try await bench.get(ServiceBench.catalog.path, showing: certificate)
      #expect(forbidden.status == .forbidden)
      #expect(try await bench.get(Self.identity).status == .unauthorized)
      // A token goes before the certificate.
      let token = AccessToken()
      try await bench.service.access.insert(
        Credential(token, roles: [.reader], catalogs: .all, createdAt: bench.clock.now))
      let both = try await bench.get(
        ServiceBench.catalog.path, showing: certificate, token: token.text)
      #expect(both.status == .notFound)
    }
  }

  @Test func `a certificate for some catalogs reaches those`() async throws {
    try await SecureBench.run { bench in
      let certificate = try Self.bridge(bench, catalogs: .only([ServiceBench.catalog]))
      try await bench.service.access.insert(certificate.credential)
      let answer = try await bench.get(Self.identity, showing: certificate)
      #expect(answer.status == .forbidden)
      #expect(answer.body.contains("CatalogOutOfScope"))
    }
  }

  @Test func `a certificate that was revoked, has ended or was never noted opens nothing`()
    async throws
  {
    try await SecureBench.run { bench in
      let unknown = try Self.bridge(bench)
      let refused = try await bench.get(Self.identity, showing: unknown)
      #expect(refused.status == .unauthorized)
      #expect(refused.body.contains("InvalidClientCertificate"))

      let certificate = try Self.bridge(bench)
      try await bench.service.access.insert(certificate.credential)
      #expect(try await bench.get(Self.identity, showing: certificate).status == .notFound)
      let id = certificate.credential.id
      #expect(try await bench.service.access.revoke(.certificate, id, at: bench.clock.now))
      #expect(try await bench.get(Self.identity, showing: certificate).status == .unauthorized)

      let short = try Self.bridge(bench, days: 1)
      try await bench.service.access.insert(short.credential)
      // Dates in certificates are whole seconds.
      bench.clock.advance(seconds: Self.day + 1)
      #expect(try await bench.get(Self.identity, showing: short).status == .unauthorized)
    }
  }

  @Test func `a certificate of another authority ends the handshake`() async throws {
    let elsewhere = TestFolder()
    let other = try CertificateAuthority(
      in: elsewhere.url, masterKey: ServiceBench.masterKey, now: Date())
    try await SecureBench.run { bench in
      let certificate = try Self.bridge(bench, by: other)
      try await bench.service.access.insert(certificate.credential)
      await #expect(throws: (any Error).self) {
        _ = try await bench.get(Self.identity, showing: certificate)
      }
      #expect(try await bench.get("/healthz").status == .ok)
    }
  }

  @Test func `addresses in answers over TLS begin with https`() async throws {
    try await SecureBench.run { bench in
      let token = AccessToken()
      try await bench.service.access.insert(
        Credential(token, roles: [.administrator], catalogs: .all, createdAt: bench.clock.now))
      let product = ServiceBench.product
      for path in [ServiceBench.catalog.path, product.path] {
        _ = try await bench.put(path, "{}", token: token.text)
      }
      for number in 0...100 {
        _ = try await bench.put("\(product.deviceGroupsPath)/G\(number)", "{}", token: token.text)
      }
      let page = try await bench.get(product.deviceGroupsPath, token: token.text)
      #expect(page.body.contains(#""nextLink":"https://127.0.0.1:\#(bench.port)/"#))
    }
  }
}
