// Bearer tokens: what a caller shows, and what the service keeps of it.

import Crypto
import DumpFormat
import Foundation

/// `mt_<id>_<secret>`: 16 and 64 lower-case hex digits. The secret is 256 random bits, so a plain hash of it
/// gives nobody anything to guess at.
public struct AccessToken: Sendable {
  /// Names the token; no secret.
  public let id: String
  let secret: [UInt8]

  /// A new token.
  public init() {
    id = Self.random(bytes: 8).hexDigits
    secret = Self.random(bytes: 32)
  }

  /// Reads a token; `nil` for anything that is none.
  public init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard bytes.count == 84, bytes[...2].elementsEqual("mt_".utf8), bytes[19] == UInt8(ascii: "_"),
      !bytes.contains(where: { UInt8(ascii: "A") <= $0 && $0 <= UInt8(ascii: "F") }),
      let id = [UInt8](hexDigits: String(decoding: bytes[3..<19], as: UTF8.self)),
      let secret = [UInt8](hexDigits: String(decoding: bytes[20...], as: UTF8.self))
    else { return nil }
    self.id = id.hexDigits
    self.secret = secret
  }

  /// The token as its holder keeps it.
  public var text: String { "mt_\(id)_\(secret.hexDigits)" }

  /// What the service keeps instead of the secret.
  var digest: SHA256.Digest { SHA256.hash(data: secret) }

  private static func random(bytes count: Int) -> [UInt8] {
    SymmetricKey(size: .init(bitCount: 8 * count)).withUnsafeBytes { Array($0) }
  }
}

extension AccessToken: CustomStringConvertible {
  /// Says which token it is, and not the token: safe in logs.
  public var description: String { "token \(id)" }
}
