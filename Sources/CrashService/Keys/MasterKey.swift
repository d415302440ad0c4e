// The key above all others: it comes from outside and encrypts every secret that a store keeps.

import Crypto
import Foundation

/// 32 bytes that are never in a database. Whoever has them and the data folder can read every dump.
public struct MasterKey: Sendable {
  /// Bytes of the key.
  public static let size = 32

  private let key: SymmetricKey

  /// A new key.
  public init() { key = SymmetricKey(size: .bits256) }

  /// - Parameter text: the key in base64, white space around it or not; `nil` for anything else.
  public init?(base64 text: String) {
    let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let bytes = Data(base64Encoded: text), bytes.count == Self.size else { return nil }
    key = SymmetricKey(data: bytes)
  }

  /// The key as ``init(base64:)`` reads it.
  public var base64: String { key.withUnsafeBytes { Data($0).base64EncodedString() } }

  /// Encrypts a secret (ChaCha20-Poly1305, a nonce of chance), so that it is read again under the same
  /// name alone.
  func wrap(_ secret: Data, name: String) throws -> Data {
    try ChaChaPoly.seal(secret, using: key, authenticating: Data(name.utf8)).combined
  }

  /// The secret that ``wrap(_:name:)`` encrypted.
  /// - Throws: ``SecretUnreadable``.
  func unwrap(_ wrapped: Data, name: String) throws(SecretUnreadable) -> Data {
    do {
      return try ChaChaPoly.open(
        ChaChaPoly.SealedBox(combined: wrapped), using: key, authenticating: Data(name.utf8))
    } catch {
      throw SecretUnreadable(name: name)
    }
  }
}

/// A secret was encrypted under another key or another name, or its bytes were changed.
struct SecretUnreadable: Error {
  /// Which one; says nothing of what it holds.
  var name: String
}
