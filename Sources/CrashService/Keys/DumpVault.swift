// What is secret of a dump at rest: encrypted under the key of its retention slot.

import Crypto
import Foundation

/// Encrypts and decrypts with the key of one ``RetentionSlot`` (ChaCha20-Poly1305, nonces of chance).
/// What comes out is read under the same dump's id and as the same part alone.
struct DumpVault: Sendable {
  enum Part: String {
    case signature, content
  }

  let key: SymmetricKey

  func seal(_ plain: some DataProtocol, _ part: Part, id: String) throws -> Data {
    try ChaChaPoly.seal(plain, using: key, authenticating: Self.name(part, id)).combined
  }

  func open(_ sealed: Data, _ part: Part, id: String) throws(SecretUnreadable) -> Data {
    do {
      return try ChaChaPoly.open(
        ChaChaPoly.SealedBox(combined: sealed), using: key, authenticating: Self.name(part, id))
    } catch {
      throw SecretUnreadable(name: "\(id)/\(part.rawValue)")
    }
  }

  private static func name(_ part: Part, _ id: String) -> Data {
    Data("\(id)/\(part.rawValue)".utf8)
  }
}
