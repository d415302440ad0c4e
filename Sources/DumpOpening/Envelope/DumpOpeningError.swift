// Why a sealed dump does not open.

import DumpFormat

/// What is wrong with a dump that claims to be sealed.
public enum DumpOpeningError: Error, Equatable, Sendable {
  /// The prologue, the length or a checksum does not hold: it is no whole dump.
  case notADump(DumpFormatError)
  /// The body lies in the clear.
  case notSealed
  /// The body has no envelope, or one of another kind.
  case envelopeDamaged
  /// The device's public key, the sealing key or the envelope's ephemeral key is none that keys can be
  /// agreed with (RFC 7748, 6.1).
  case unusableKey
  /// A chunk, counted from 0, is not what the device sealed with these keys: it was changed, or it
  /// was sealed by another device, for another service, or under another consent.
  case chunkNotAuthentic(Int)
  /// Every chunk is authentic, but the last one is missing, or the prologue says otherwise than the
  /// device did whether the body is truncated.
  case incomplete
}

extension DumpOpeningError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notADump(let error): "it is not a whole dump (\(error))"
    case .notSealed: "its body is not sealed"
    case .envelopeDamaged: "its envelope is damaged"
    case .unusableKey: "one of its keys cannot be used"
    case .chunkNotAuthentic(let index): "its chunk \(index) is not what the device sealed"
    case .incomplete: "its end is missing"
    }
  }
}
