// HTTPS: whom the bridge trusts, and what it says of a certificate that it does not.

import DumpFormat
import Foundation
import MartletTestKit
import NIOSSL
import ServiceAPI
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(1))) struct ServiceTrustTests {
  private let identity = Sample(key(1, 1)).identity

  private static func tls() throws -> TLSConfiguration {
    TLSConfiguration.makeServerConfiguration(
      certificateChain: [
        .certificate(try NIOSSLCertificate(bytes: Array(certificate.utf8), format: .pem))
      ],
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(privateKey.utf8), format: .pem)))
  }

  @Test func `a service with a certificate of its own is trusted when its authority is named`()
    async throws
  {
    try await TemporaryDirectory.with { folder in
      let file = folder.file("ca.pem")
      try Data(Self.certificate.utf8).write(to: file)
      try await RawServer.with(tls: Self.tls(), { .healthy($0) }) { server, port in
        let client = try HTTPServiceClient(
          service: "https://127.0.0.1:\(port)", login: ServiceLogin(authorities: file.path))
        for _ in 0..<3 { #expect(try await client.upload(identity, bytes: [1, 2]).id == "d-1") }
        #expect(server.seen.requests.map(\.body) == [[1, 2], [1, 2], [1, 2]])
        #expect(server.seen.connections == 1)
      }
    }
  }

  @Test func `without it nothing is sent, and the failure says why`() async throws {
    try await RawServer.with(tls: Self.tls(), { .healthy($0) }) { server, port in
      let client = try HTTPServiceClient(service: "https://127.0.0.1:\(port)")
      let failure = await #expect(throws: ServiceFailure.self) {
        try await client.upload(identity, bytes: [1])
      }
      #expect(failure?.condition == .untrusted)
      #expect(failure?.message.contains("is not trusted") == true)
      #expect(server.seen.requests.isEmpty)
    }
  }

  @Test func `a certificate for another address is not trusted either`() async throws {
    try await TemporaryDirectory.with { folder in
      let file = folder.file("ca.pem")
      try Data(Self.certificate.utf8).write(to: file)
      try await RawServer.with(tls: Self.tls(), host: "127.0.0.2", { .healthy($0) }) {
        server, port in
        let client = try HTTPServiceClient(
          service: "https://127.0.0.2:\(port)", login: ServiceLogin(authorities: file.path))
        let failure = await #expect(throws: ServiceFailure.self) {
          try await client.upload(identity, bytes: [1])
        }
        #expect(failure?.condition == .untrusted)
        #expect(server.seen.requests.isEmpty)
      }
    }
  }

  @Test func `a server that speaks no TLS is not there, rather than untrusted`() async throws {
    try await RawServer.with({ .healthy($0) }) { _, port in
      let client = try HTTPServiceClient(
        service: "https://127.0.0.1:\(port)", timeout: .seconds(1))
      let failure = await #expect(throws: ServiceFailure.self) {
        try await client.upload(identity, bytes: [1])
      }
      #expect(failure?.condition == .unreachable)
    }
  }

  @Test func `a file without certificates is refused at the start`() throws {
    try TemporaryDirectory.with { folder in
      let file = folder.file("ca.pem")
      for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        try Data(text.utf8).write(to: file)
        for path in [file.path, folder.file("none").path] {
          let error = #expect(throws: HostBridgeError.self) {
            try HTTPServiceClient(
              service: "https://127.0.0.1:1", login: ServiceLogin(authorities: path))
          }
          #expect(error?.code == .invalidSetting)
        }
      }
    }
  }

  // Made for these tests: for 127.0.0.1, valid from 2020 to 2120, of no use anywhere else.
  private static let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBdTCCARygAwIBAgIBATAKBggqhkjOPQQDAjAhMR8wHQYDVQQDDBZNYXJ0bGV0
    IHRlc3QgYXV0aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAw
    WjAhMR8wHQYDVQQDDBZNYXJ0bGV0IHRlc3QgYXV0aG9yaXR5MFkwEwYHKoZIzj0C
    AQYIKoZIzj0DAQcDQgAEC73rUOSu8gE/T9L7q5HgyM+gKMq/ZmrOxmevGODzEKVP
    QjxUfRz6exWKNCCjJ6J56tKLEPQPnN3C9D1AxB9YAqNDMEEwDwYDVR0RBAgwBocE
    fwAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQoqF5PaxU98zfmbeow0Ztn
    Rp8oIzAKBggqhkjOPQQDAgNHADBEAiAOlHLKa0tVL4ZYf63jZW25RBsPTlaywzYG
    QWBzcAfrbAIgHilzafQFoG+Ks4iRnJKKKqE7z0bjfLtJZZ6dxdkSTXo=
    -----END CERTIFICATE-----
    """
  private static let privateKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgd4cQPDf3TT6CPlay
    Af1rQI+z+/XAPIjB3pbgJ6q6u1+hRANCAAQLvetQ5K7yAT9P0vurkeDIz6Aoyr9m
    as7GZ68Y4PMQpU9CPFR9HPp7FYo0IKMnonnq0osQ9A+c3cL0PUDEH1gC
    -----END PRIVATE KEY-----
    """
}
