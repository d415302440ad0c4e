// The certificate that a caller showed when the connection was made.

import Crypto
import DumpFormat
import Foundation
import Hummingbird
import NIOSSL

/// What names a certificate in the ``AccessStore``.
struct PeerCertificate: Equatable, Sendable {
  /// SHA-256 of the certificate's bytes.
  let digest: Data

  /// - Parameter bytes: the certificate in DER.
  init(bytes: some Sequence<UInt8>) { digest = Data(SHA256.hash(data: Array(bytes))) }

  /// 16 hex digits, for people.
  var id: String { Array(digest.prefix(8)).hexDigits }
}

extension ServiceContext {
  /// The caller's certificate; `nil` when it showed none.
  func peerCertificate(for request: Request) async throws -> PeerCertificate? {
    guard request.head.scheme == "https" else { return nil }
    let certificate = try await channel.nioSSL_peerCertificate().get()
    return try certificate.map { PeerCertificate(bytes: try $0.toDERBytes()) }
  }
}
