// The words of consent that device, bridge and service share.

/// What the board's consent gate says (docs/formats/link.md, Lease states).
public enum LeaseState: UInt8, Sendable {
  /// None was ever accepted since power-on, and none is remembered.
  case none = 0
  case allowed = 1
  case denied = 2
  /// Its lifetime, 48 hours at most, is over.
  case expired = 3
  /// A cold start of unknown length lies between the lease and now.
  case suspended = 4
  /// The clock or a counter went backwards, so nobody can say how long the lease still lasts.
  case clockFault = 5
}

/// Why the board did not accept a lease; 0 when it did.
public enum LeaseRefusal: UInt8, Sendable, Error {
  case accepted = 0
  case malformed = 1
  case otherVersion = 2
  case damaged = 3
  case otherDevice = 4
  case otherNonce = 5
  case lifetimeTooLong = 6
  case signature = 7
  case olderEpoch = 8
  /// The board has no identity, and so no service that it trusts.
  case notProvisioned = 9
  /// The sealing key is a point of small order: what is agreed with it is known to everybody.
  case sealingKey = 10
  /// The board has no source of entropy.
  case noEntropy = 11
  /// The nonce was made longer ago than the lease lasts: somebody held the lease back.
  case expired = 12
}
