// HELLO: who a board is and what it holds.

import ConsentLease
import DumpFormat

/// 64 bytes that name a device; 128 hex digits for people.
public struct DeviceID: Sendable {
  /// The number of bytes.
  public static let count = 64

  public var bytes: InlineArray<64, UInt8>

  /// - Parameter pointer: where 64 bytes can be read.
  public init(at pointer: UnsafeRawPointer) {
    bytes = pointer.loadUnaligned(as: InlineArray<64, UInt8>.self)
  }

  /// An id of zeros: a board without an identity.
  public init() { bytes = InlineArray(repeating: 0) }
}

extension DeviceID: Equatable {
  public static func == (a: DeviceID, b: DeviceID) -> Bool {
    for i in 0..<Self.count where a.bytes[i] != b.bytes[i] { return false }
    return true
  }
}

/// The number that binds a lease to one request.
public struct LeaseNonce: Sendable {
  /// The number of bytes.
  public static let count = 16

  public var bytes: InlineArray<16, UInt8>

  /// - Parameter pointer: where 16 bytes can be read.
  public init(at pointer: UnsafeRawPointer) {
    bytes = pointer.loadUnaligned(as: InlineArray<16, UInt8>.self)
  }

  /// A nonce of zeros, which no board accepts.
  public init() { bytes = InlineArray(repeating: 0) }
}

extension LeaseNonce: Equatable {
  public static func == (a: LeaseNonce, b: LeaseNonce) -> Bool {
    for i in 0..<Self.count where a.bytes[i] != b.bytes[i] { return false }
    return true
  }
}

/// Payload of HELLO (docs/formats/link.md, type 01).
public struct Hello: Sendable {
  /// Bytes of the payload.
  public static let size = 137

  public var lowestVersion = linkProtocolVersion
  public var highestVersion = linkProtocolVersion
  /// Largest frame before COBS that the board takes.
  public var largestFrame: UInt16 = UInt16(FrameLimit.initial)
  public var deviceID = DeviceID()
  public var buildID = BuildID()
  /// UTF-8, padded with zeros.
  public var imageVersion = InlineArray<16, UInt8>(repeating: 0)
  public var bootCount: UInt32 = 0
  public var resetCause = ResetCause.unknown
  public var leaseState = LeaseState.none
  /// Seconds the lease still lasts; 0 unless it is allowed.
  public var leaseSeconds: UInt32 = 0
  public var nonce = LeaseNonce()
  public var dumpsWaiting: UInt16 = 0
  /// Crashes not captured for want of consent, since the last lease.
  public var uncapturedCrashes: UInt32 = 0
  public var phase = BootPhase.agent

  public init() {}

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(lowestVersion)
    frame.append(highestVersion)
    frame.append(largestFrame)
    append(&frame, deviceID.bytes)
    append(&frame, buildID.bytes)
    append(&frame, imageVersion)
    frame.append(bootCount)
    frame.append(resetCause.rawValue)
    frame.append(leaseState.rawValue)
    frame.append(leaseSeconds)
    append(&frame, nonce.bytes)
    frame.append(dumpsWaiting)
    frame.append(uncapturedCrashes)
    frame.append(phase.rawValue)
  }

  private func append<let n: Int>(_ frame: inout FrameWriter, _ bytes: [n of UInt8]) {
    for i in 0..<n { frame.append(bytes[i]) }
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    guard payload.count == Self.size else { throw .wrongLength }
    var reader = PayloadReader(payload)
    lowestVersion = reader.take8()
    highestVersion = reader.take8()
    largestFrame = reader.take16()
    if let base = reader.take(DeviceID.count).baseAddress { deviceID = DeviceID(at: base) }
    if let base = reader.take(BuildID.count).baseAddress { buildID = BuildID(at: base) }
    for i in 0..<16 { imageVersion[i] = reader.take8() }
    bootCount = reader.take32()
    guard let resetCause = ResetCause(rawValue: reader.take8()),
      let leaseState = LeaseState(rawValue: reader.take8())
    else { throw .invalidField }
    self.resetCause = resetCause
    self.leaseState = leaseState
    leaseSeconds = reader.take32()
    if let base = reader.take(LeaseNonce.count).baseAddress { nonce = LeaseNonce(at: base) }
    dumpsWaiting = reader.take16()
    uncapturedCrashes = reader.take32()
    guard let phase = BootPhase(rawValue: reader.take8()) else { throw .invalidField }
    self.phase = phase
    try reader.end()
    guard lowestVersion <= highestVersion, largestFrame >= UInt16(FrameLimit.smallest) else {
      throw .invalidField
    }
  }
}
