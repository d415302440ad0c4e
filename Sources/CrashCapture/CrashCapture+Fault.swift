// The fault path: from a fault context to a committed dump, or to a count when consent is missing.

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing

/// Entered by the board's fault entry on the private stack, interrupts masked.
@c @implementation
public func martlet_capture_fault(_ context: UnsafePointer<FaultContext>?) {
  guard let context else { return }
  halWatchdogFeed()
  let gate = consentGate()
  let monotonic = halMonotonicMicroseconds()
  let state = CaptureState.current
  let isPrepared = state.pointee.prepared == CaptureState.preparedMark
  // A crash before the boot agent: nobody has told the clock that a new boot counts from zero.
  if !isPrepared { gate.start(afterPowerOn: halResetCause() == .powerOn) }
  guard gate.state(at: monotonic) == .allowed else {
    gate.countUncaptured()
    return
  }
  var header = describe(context, gate: gate, uptime: gate.clock.update(monotonic))
  guard isPrepared else {
    header.isRegisterOnly = true
    leave(context, header)
    return
  }
  if !context.pointee.isNested, state.pointee.slotOffset != CaptureState.noSlot {
    var writer = DumpWriter(
      sink: .slot(state.pointee.slotOffset),
      room: state.pointee.slotSize &- SlotLayout.dump, page: CaptureState.page(behind: state))
    do throws(FlashError) {
      try writer.begin(header)
      writeRegisters(context, &writer)
      writeMemory(context, state, &writer)
      try writer.finish()
      return
    } catch {
      // Flash gave up: what retained RAM holds survives the reset.
    }
  }
  header.isRegisterOnly = true
  leave(context, header)
}

/// The dump's header, from what the board and the gate know.
private func describe(
  _ context: UnsafePointer<FaultContext>, gate: ConsentGate, uptime: UInt64
) -> DumpHeader {
  let image = halImage()
  let kind = context.pointee.kind
  var header = DumpHeader(
    kind: kind,
    key: DumpKey(bootCount: CaptureState.current.pointee.bootCount, sequence: 1))
  header.isNested = context.pointee.isNested
  header.uptime = uptime
  header.describe(image: image)
  let known = context.pointee.hasFrame
  header.fingerprint = Fingerprint(
    buildID: header.buildID, kind: kind,
    pc: known ? context.pointee.pc &- image.codeStart : nil,
    lr: known ? context.pointee.lr &- image.codeStart : nil)
  header.resetCause = .current
  header.consentEpoch = gate.epoch
  return header
}

extension DumpHeader {
  /// Fills in build-id and version from the running image.
  public mutating func describe(image: HALImage) {
    if let id = image.buildID, image.buildIDLength >= UInt32(BuildID.count) {
      buildID = BuildID(at: id)
    }
    guard let text = image.version else { return }
    for i in 0..<15 {
      let byte = UInt8(bitPattern: text[i])
      if byte == 0 { break }
      version[i] = byte
    }
  }
}

extension ResetCause {
  /// Why this boot started. Contexts: boot, app, fault.
  public static var current: ResetCause {
    ResetCause(rawValue: halResetCause().rawValue) ?? .unknown
  }
}

/// Leaves a register-only dump in retained RAM, for the boot agent to store.
private func leave(_ context: UnsafePointer<FaultContext>, _ header: DumpHeader) {
  let left = LeftDump()
  var writer = DumpWriter(
    sink: .memory(left.start), room: UInt32(RetainedLayout.leftDumpCapacity),
    page: CaptureState.page(behind: CaptureState.current))
  do throws(FlashError) {
    try writer.begin(header)
    writeRegisters(context, &writer)
    let length = try writer.finish()
    left.mark(length: Int(length))
  } catch {
    // Memory does not fail.
  }
}

private func writeRegisters(
  _ context: UnsafePointer<FaultContext>, _ writer: inout DumpWriter
) {
  // The context's words lie in the order of the blocks: 26 core, 8 fault status, 33 floating point.
  let words = UnsafeRawPointer(context)
  writer.add(.core, words, 26 * 4)
  writer.add(.faultStatus, words + 26 * 4, 8 * 4)
  if context.pointee.hasFloatingPoint { writer.add(.floatingPoint, words + 34 * 4, 33 * 4) }
  let image = halImage()
  var code: (UInt32, UInt32) = (image.codeStart.littleEndian, image.codeLength.littleEndian)
  withUnsafeBytes(of: &code) { bytes in
    if let base = bytes.baseAddress { writer.add(.image, base, 8) }
  }
  // Last, because it is the one that may not fit in retained RAM.
  if let trap = context.pointee.trap, trap == trapCrash || trap == trapAssertion {
    var length = context.pointee.r.1
    if length > UInt32(BlockHeader.longestReason) { length = UInt32(BlockHeader.longestReason) }
    if let text = halReadable(context.pointee.r.0, &length) {
      writer.add(.reason, text, length)
    }
  }
}

private func writeMemory(
  _ context: UnsafePointer<FaultContext>, _ state: UnsafeMutablePointer<CaptureState>,
  _ writer: inout DumpWriter
) {
  // An address that nobody can read leaves no block: a stack pointer that lies is not followed.
  writer.addMemory(
    context.pointee.sp, state.pointee.stackLimit, role: .interruptedStack, id: 0)
  var count = state.pointee.regionCount
  if count > CaptureState.mostRegions { count = CaptureState.mostRegions }
  for i in 0..<Int(count) {
    let region = state.pointee.regions[i]
    writer.addMemory(region.address, region.length, role: .registeredRegion, id: region.id)
  }
}

extension DumpWriter {
  /// Adds a block of `length` bytes at `start`.
  mutating func add(_ type: BlockType, _ start: UnsafeRawPointer, _ length: UInt32) {
    guard length > 0 else { return }
    if beginBlock(type, content: length) > 0 {
      append(UnsafeRawBufferPointer(start: start, count: Int(length)))
    }
  }

  /// Adds as much of a run of board memory as can be read, at most `limit` bytes.
  mutating func addMemory(_ address: UInt32, _ limit: UInt32, role: MemoryRole, id: UInt16) {
    var length = limit
    guard let start = halReadable(address, &length), length > 0 else { return }
    let preamble = UInt32(BlockHeader.memoryPreamble)
    guard beginBlock(.memory, content: length + preamble, required: preamble + 4) > 0 else {
      return
    }
    var head: (UInt32, UInt32) = (
      address.littleEndian, (UInt32(role.rawValue) | UInt32(id) << 16).littleEndian
    )
    withUnsafeBytes(of: &head) { append($0) }
    append(UnsafeRawBufferPointer(start: start, count: Int(length)))
  }
}
