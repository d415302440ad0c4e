// Dumps at rest: each under a key of its own, that key under the region's.

import Crypto
import Foundation

/// What a store keeps of a dump's inside.
struct VaultedDump: Equatable, Sendable {
  /// The dump's own key under the storage key of the region. Without it nothing here can be read.
  var wrappedKey: Data
  var signature: Data
  var content: Data
}

/// Encrypts and decrypts with the storage key of one region (ChaCha20-Poly1305, nonces of chance).
struct DumpVault: Sendable {
  /// The secret's name in the region's store.
  static let secretName = "storage"

  private let storageKey: SymmetricKey

  /// - Parameter secret: 32 bytes.
  init(secret: Data) { storageKey = SymmetricKey(data: secret) }

  /// A new storage key.
  static func newSecret() -> Data { SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) } }

  /// Encrypts a dump under a new key. What comes out is read under the same id alone.
  func seal(content: Data, signature: String, id: String) throws -> VaultedDump {
    let key = SymmetricKey(size: .bits256)
    return VaultedDump(
      wrappedKey: try ChaChaPoly.seal(
        key.withUnsafeBytes { Data($0) }, using: storageKey, authenticating: Part.key.name(id)
      ).combined,
      signature: try ChaChaPoly.seal(
        Data(signature.utf8), using: key, authenticating: Part.signature.name(id)
      ).combined,
      content: try ChaChaPoly.seal(
        content, using: key, authenticating: Part.content.name(id)
      ).combined)
  }

  func content(_ sealed: Data, wrappedKey: Data, id: String) throws(SecretUnreadable) -> Data {
    try open(sealed, .content, wrappedKey: wrappedKey, id: id)
  }

  func signature(_ sealed: Data, wrappedKey: Data, id: String) throws(SecretUnreadable) -> String {
    String(decoding: try open(sealed, .signature, wrappedKey: wrappedKey, id: id), as: UTF8.self)
  }

  private enum Part: String {
    case key, signature, content

    func name(_ id: String) -> Data { Data("\(id)/\(rawValue)".utf8) }
  }

  private func open(_ sealed: Data, _ part: Part, wrappedKey: Data, id: String)
    throws(SecretUnreadable) -> Data
  {
    do {
      let key = try ChaChaPoly.open(
        ChaChaPoly.SealedBox(combined: wrappedKey), using: storageKey,
        authenticating: Part.key.name(id))
      return try ChaChaPoly.open(
        ChaChaPoly.SealedBox(combined: sealed), using: SymmetricKey(data: key),
        authenticating: part.name(id))
    } catch {
      throw SecretUnreadable(name: "\(id)/\(part.rawValue)")
    }
  }
}
