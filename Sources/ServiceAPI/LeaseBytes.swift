// Writes a lease as a device receives it (docs/formats/lease.md).

import DumpFormat
import Foundation

/// A lease, version 1, without extensions.
public struct LeaseBytes: Equatable, Sendable {
  /// Bytes of a lease without extensions: the fields and their checksum.
  public static let size = 100
  /// Bytes of a device's nonce.
  public static let nonceSize = 16
  /// The longest a lease lasts, seconds: 48 hours.
  public static let longestLifetime: UInt32 = 172_800

  /// Whether crash dumps may be captured, kept and forwarded.
  public var allowed: Bool
  /// How many dumps of one fingerprint the device keeps; 0 leaves it to the device.
  public var dumpsPerFingerprint: UInt8
  /// The nonce that the device sent, 16 bytes.
  public var nonce: [UInt8]
  public var epoch: UInt32
  /// Seconds from receipt, at most 172,800. A denied lease always carries 0.
  public var lifetimeSeconds: UInt32
  public var device: DeviceID

  /// - Parameter nonce: 16 bytes; `nil` comes back for any other number.
  public init?(
    allowed: Bool, dumpsPerFingerprint: UInt8 = 0, nonce: some Collection<UInt8>, epoch: UInt32,
    lifetimeSeconds: UInt32, device: DeviceID
  ) {
    guard nonce.count == Self.nonceSize else { return nil }
    self.allowed = allowed
    self.dumpsPerFingerprint = dumpsPerFingerprint
    self.nonce = Array(nonce)
    self.epoch = epoch
    self.lifetimeSeconds = allowed ? min(lifetimeSeconds, Self.longestLifetime) : 0
    self.device = device
  }

  /// The 100 bytes, checksum last.
  public func encoded() -> Data {
    var bytes: [UInt8] = [0x4D, 0x4C, 1, 0, allowed ? 1 : 0, dumpsPerFingerprint, 0, 0]
    bytes += nonce
    bytes += littleEndian(epoch)
    bytes += littleEndian(lifetimeSeconds)
    bytes += device.bytes
    bytes += littleEndian(bytes.withUnsafeBytes { CRC32C.checksum($0) })
    return Data(bytes)
  }

  private func littleEndian(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}
