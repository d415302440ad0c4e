// What the host asks: WELCOME, NEXT, FETCH, RECEIPT. WHO, GO and LEASE carry nothing of their own.

import DumpFormat

/// Payload of WELCOME: what both ends will use.
public struct Welcome: Equatable, Sendable {
  public var version: UInt8
  /// Largest frame before COBS that the host takes; the smaller of both ends' counts.
  public var largestFrame: UInt16

  public init(version: UInt8, largestFrame: UInt16) {
    self.version = version
    self.largestFrame = largestFrame
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(version)
    frame.append(largestFrame)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    version = reader.take8()
    largestFrame = reader.take16()
    try reader.end()
    guard largestFrame >= UInt16(FrameLimit.smallest), largestFrame <= UInt16(FrameLimit.largest)
    else { throw .invalidField }
  }
}

/// Payload of NEXT: asks for the oldest waiting dump behind a key.
public struct Next: Equatable, Sendable {
  public var after: DumpKey

  public init(after: DumpKey) { self.after = after }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) { frame.append(after) }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    after = reader.takeKey()
    try reader.end()
  }
}

/// Payload of FETCH: asks for a range of a dump.
public struct Fetch: Equatable, Sendable {
  public var key: DumpKey
  public var transfer: UInt8
  /// From the start of the dump, bytes; 24 bits.
  public var offset: UInt32
  /// Bytes wanted; 24 bits.
  public var length: UInt32

  public init(key: DumpKey, transfer: UInt8, offset: UInt32, length: UInt32) {
    self.key = key
    self.transfer = transfer
    self.offset = offset
    self.length = length
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(key)
    frame.append(transfer)
    frame.append24(offset)
    frame.append24(length)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    key = reader.takeKey()
    transfer = reader.take8()
    offset = reader.take24()
    length = reader.take24()
    try reader.end()
  }
}

/// Payload of RECEIPT: what becomes of a dump.
public struct Receipt: Equatable, Sendable {
  public var key: DumpKey
  public var verdict: ReceiptVerdict

  public init(key: DumpKey, verdict: ReceiptVerdict) {
    self.key = key
    self.verdict = verdict
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(key)
    frame.append(verdict.rawValue)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    key = reader.takeKey()
    let verdict = ReceiptVerdict(rawValue: reader.take8())
    try reader.end()
    guard let verdict else { throw .invalidField }
    self.verdict = verdict
  }
}
