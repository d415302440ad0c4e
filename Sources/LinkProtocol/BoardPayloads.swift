// What a board answers: OFFER, DATA, LEASE STATUS, DONE, STARTING, REFUSED.

import ConsentLease
import DumpFormat

/// Payload of OFFER: a dump that waits, with its whole prologue.
public struct Offer {
  public var key: DumpKey
  /// Bytes of the whole dump, prologue included.
  public var totalLength: UInt32
  /// 128 bytes; not checked here.
  public var prologue: UnsafeRawBufferPointer

  public init(key: DumpKey, totalLength: UInt32, prologue: UnsafeRawBufferPointer) {
    self.key = key
    self.totalLength = totalLength
    self.prologue = prologue
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(key)
    frame.append(totalLength)
    frame.append(prologue)
  }

  /// Reads a payload; the prologue points into it. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    key = reader.takeKey()
    totalLength = reader.take32()
    prologue = reader.take(DumpPrologue.size)
    try reader.end()
  }
}

/// Payload of DATA: a run of a dump's bytes.
public struct DataRun {
  public var transfer: UInt8
  /// From the start of the dump, bytes.
  public var offset: UInt32
  public var bytes: UnsafeRawBufferPointer

  public init(transfer: UInt8, offset: UInt32, bytes: UnsafeRawBufferPointer) {
    self.transfer = transfer
    self.offset = offset
    self.bytes = bytes
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(transfer)
    frame.append24(offset)
    frame.append(bytes)
  }

  /// Reads a payload; the bytes point into it. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    guard payload.count >= FrameLimit.dataPreamble else { throw .wrongLength }
    var reader = PayloadReader(payload)
    transfer = reader.take8()
    offset = reader.take24()
    bytes = reader.takeRest()
  }
}

/// Payload of LEASE STATUS.
public struct LeaseStatus: Equatable, Sendable {
  public var state: LeaseState
  public var refusal: LeaseRefusal
  public var secondsLeft: UInt32

  public init(state: LeaseState, refusal: LeaseRefusal, secondsLeft: UInt32) {
    self.state = state
    self.refusal = refusal
    self.secondsLeft = secondsLeft
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(state.rawValue)
    frame.append(refusal.rawValue)
    frame.append(secondsLeft)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    let state = LeaseState(rawValue: reader.take8())
    let refusal = LeaseRefusal(rawValue: reader.take8())
    secondsLeft = reader.take32()
    try reader.end()
    guard let state, let refusal else { throw .invalidField }
    self.state = state
    self.refusal = refusal
  }
}

/// Payload of DONE: how a RECEIPT ended.
public struct Done: Equatable, Sendable {
  public var key: DumpKey
  public var status: DoneStatus

  public init(key: DumpKey, status: DoneStatus) {
    self.key = key
    self.status = status
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(key)
    frame.append(status.rawValue)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    key = reader.takeKey()
    let status = DoneStatus(rawValue: reader.take8())
    try reader.end()
    guard let status else { throw .invalidField }
    self.status = status
  }
}

/// Payload of STARTING: the application starts now, or runs already.
public struct Starting: Equatable, Sendable {
  public var reason: StartReason

  public init(reason: StartReason) { self.reason = reason }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) { frame.append(reason.rawValue) }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    let reason = StartReason(rawValue: reader.take8())
    try reader.end()
    guard let reason else { throw .invalidField }
    self.reason = reason
  }
}

/// Payload of REFUSED: a request that cannot be met.
public struct Refused: Equatable, Sendable {
  /// The request's type, which may be one this code does not know.
  public var request: UInt8
  public var code: RefusalCode

  public init(request: UInt8, code: RefusalCode) {
    self.request = request
    self.code = code
  }

  /// Appends the payload.
  public func append(to frame: inout FrameWriter) {
    frame.append(request)
    frame.append(code.rawValue)
  }

  /// Reads a payload. Any bytes are safe to pass.
  public init(decoding payload: UnsafeRawBufferPointer) throws(LinkError) {
    var reader = PayloadReader(payload)
    request = reader.take8()
    let code = RefusalCode(rawValue: reader.take8())
    try reader.end()
    guard let code else { throw .invalidField }
    self.code = code
  }
}

extension FrameWriter {
  /// Appends a dump's key, 8 bytes.
  public mutating func append(_ key: DumpKey) {
    append(key.bootCount)
    append(key.sequence)
  }
}
