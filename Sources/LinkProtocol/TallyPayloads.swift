// Crash counts on the link: TALLY asks for one, COUNT gives it.

import DumpFormat

/// Payload of TALLY: asks for the crash count at a place in the board's list.
public struct TallyRequest: Equatable, Sendable {
  /// 0 for the first; then what the last COUNT said comes next.
  public var position: UInt16

  public init(position: UInt16) { self.position = position }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) { frame.append(position) }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    position = reader.take16()
    try reader.end()
  }
}

/// Payload of COUNT: how often a board has crashed with one fingerprint.
///
/// The count only grows. A board that forgot a fingerprint and meets it again starts a new count,
/// which its first boot tells apart from the old one.
public struct CrashCount: Equatable, Sendable {
  /// Bytes of the payload.
  public static let size = 30
  /// An uptime that is not known.
  public static let unknownUptime = UInt32.max

  /// Where to ask for the next count; always above the position that was asked for.
  public var nextPosition: UInt16
  public var fingerprint: Fingerprint
  /// Boot count of the first crash.
  public var firstBoot: UInt32
  /// Uptime at the first crash, whole seconds; ``unknownUptime`` when not known.
  public var firstUptime: UInt32
  /// Boot count of the latest crash.
  public var lastBoot: UInt32
  /// Uptime at the latest crash, whole seconds; ``unknownUptime`` when not known.
  public var lastUptime: UInt32
  /// Crashes so far, those that left a dump included; at least 1.
  public var count: UInt32

  public init(
    nextPosition: UInt16, fingerprint: Fingerprint, firstBoot: UInt32, firstUptime: UInt32,
    lastBoot: UInt32, lastUptime: UInt32, count: UInt32
  ) {
    self.nextPosition = nextPosition
    self.fingerprint = fingerprint
    self.firstBoot = firstBoot
    self.firstUptime = firstUptime
    self.lastBoot = lastBoot
    self.lastUptime = lastUptime
    self.count = count
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(nextPosition)
    // The library's own conversions are generic and refer to array storage on 32-bit targets.
    let halves = unsafeBitCast(fingerprint.rawValue.littleEndian, to: (UInt32, UInt32).self)
    frame.append(UInt32(littleEndian: halves.0))
    frame.append(UInt32(littleEndian: halves.1))
    frame.append(firstBoot)
    frame.append(firstUptime)
    frame.append(lastBoot)
    frame.append(lastUptime)
    frame.append(count)
  }

  /// Reads a payload. Any bytes are safe to pass. A count of zero is an invalid field.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    nextPosition = reader.take16()
    let low = reader.take32().littleEndian
    let halves = (low, reader.take32().littleEndian)
    fingerprint = Fingerprint(rawValue: unsafeBitCast(halves, to: UInt64.self).littleEndian)
    firstBoot = reader.take32()
    firstUptime = reader.take32()
    lastBoot = reader.take32()
    lastUptime = reader.take32()
    count = reader.take32()
    try reader.end()
    guard count > 0 else { throw .invalidField }
  }
}
