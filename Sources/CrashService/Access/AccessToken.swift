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
    let parts = text.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "mt", parts[1].utf8.count == 16,
      let id = bytes(hex: parts[1]), let secret = bytes(hex: parts[2]), secret.count == 32
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

/// The bytes of lower-case hex digits; `nil` for anything else.
private func bytes(hex text: some StringProtocol) -> [UInt8]? {
  let values = text.utf8.map { digit -> UInt8? in
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
  guard values.count.isMultiple(of: 2) else { return nil }
  var bytes: [UInt8] = []
  for index in stride(from: 0, to: values.count, by: 2) {
    guard let high = values[index], let low = values[index + 1] else { return nil }
    bytes.append(high << 4 | low)
  }
  return bytes
}
