// How a board is provisioned: PROVISION and IDENTITY (docs/formats/link.md, Provisioning).

import DumpFormat

/// Payload of PROVISION: whom the board is to trust, and what it is to prove.
public struct Provision {
  /// Bytes of the catalog's signing key: x, then y.
  public static let signingKeySize = 64
  /// Bytes of the service's claim key.
  public static let claimKeySize = 32
  /// Bytes of the challenge.
  public static let challengeSize = 16

  public var signingKey: UnsafeRawBufferPointer
  public var claimKey: UnsafeRawBufferPointer
  public var challenge: UnsafeRawBufferPointer

  /// - Parameters: of the sizes above.
  public init(
    signingKey: UnsafeRawBufferPointer, claimKey: UnsafeRawBufferPointer,
    challenge: UnsafeRawBufferPointer
  ) {
    self.signingKey = signingKey
    self.claimKey = claimKey
    self.challenge = challenge
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(signingKey)
    frame.append(claimKey)
    frame.append(challenge)
  }

  /// Reads a payload; the parts point into it. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    signingKey = reader.take(Self.signingKeySize)
    claimKey = reader.take(Self.claimKeySize)
    challenge = reader.take(Self.challengeSize)
    try reader.end()
  }
}

/// Payload of IDENTITY: the device's public key, and the proof that it has the private one.
public struct Identity {
  /// Bytes of the payload.
  public static let size = 96
  /// Bytes of each part.
  public static let partSize = 32

  public var publicKey: UnsafeRawBufferPointer
  public var enc: UnsafeRawBufferPointer
  public var proof: UnsafeRawBufferPointer

  /// Reads a payload; the parts point into it. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    publicKey = reader.take(Self.partSize)
    enc = reader.take(Self.partSize)
    proof = reader.take(Self.partSize)
    try reader.end()
  }
}
