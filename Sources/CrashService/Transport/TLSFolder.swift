// Certificates of the service's own, and their keys, on the disk.

import Crypto
import Foundation
import X509

/// The folder `tls` of a data folder. Certificates lie there as PEM; private keys are encrypted under the
/// master key, as every secret of the service is.
struct TLSFolder: Sendable {
  let url: URL
  private let masterKey: MasterKey

  init(_ dataFolder: URL, masterKey: MasterKey) {
    url = dataFolder.appending(path: "tls")
    self.masterKey = masterKey
  }

  func file(_ name: String) -> URL { url.appending(path: name) }

  /// A certificate and its key; `nil` when they are not both there and belong together.
  /// - Throws: ``SecretUnreadable`` for another master key, or what the files' reading throws.
  func load(_ name: String) throws -> (Certificate, P256.Signing.PrivateKey)? {
    let files = FileManager.default
    let (certificateFile, keyFile) = (file("\(name).pem"), file("\(name).key"))
    guard files.fileExists(atPath: certificateFile.path), files.fileExists(atPath: keyFile.path)
    else { return nil }
    let secret = try masterKey.unwrap(Data(contentsOf: keyFile), name: "tls/\(name)")
    let key = try P256.Signing.PrivateKey(rawRepresentation: secret)
    let certificate = try Certificate(
      pemEncoded: String(decoding: try Data(contentsOf: certificateFile), as: UTF8.self))
    guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else { return nil }
    return (certificate, key)
  }

  func store(_ certificate: Certificate, _ key: P256.Signing.PrivateKey, as name: String) throws {
    try FileManager.default.createDirectory(
      at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    // The key first: a certificate whose key was lost would be of no use, the other way round is made again.
    try masterKey.wrap(key.rawRepresentation, name: "tls/\(name)")
      .write(to: file("\(name).key"), options: .atomic)
    try Data(certificate.serializeAsPEM().pemString.utf8)
      .write(to: file("\(name).pem"), options: .atomic)
  }
}
