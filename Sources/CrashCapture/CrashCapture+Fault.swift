// The fault path: from a fault context to a committed dump, or to a count when consent is missing.

import BoardHAL
import ConsentLease
import DumpFormat
import DumpRing
import DumpSealing

/// Entered by the board's fault entry on the private stack, interrupts masked, guarded memory open.
@c @implementation
public func martlet_capture_fault(_ context: UnsafePointer<FaultContext>?) {
  guard let context else { return }
  halWatchdogFeed()
  let state = CaptureState.current
  let isPrepared = state.pointee.prepared == CaptureState.preparedMark
  // Whatever happens from here on: the slot is used up.
  state.pointee.prepared = 0
  let gate = consentGate()
  let monotonic = halMonotonicMicroseconds()
  // A crash before the boot agent: nobody has told the clock that a new boot counts from zero.
  if !isPrepared, !context.isNested {
    gate.start(isWarm: ResetCause.current.isWarm)
  }
  guard gate.update(at: monotonic) == .allowed else {
    Breadcrumbs.clear()
    gate.countUncaptured()
    return
  }
  let record = CrashRecord(context, state, gate, gate.uptime(at: monotonic))
  withUnsafePointer(to: record) { record in
    let keep = isPrepared ? state.pointee.keep : nil
    if keep?(record) ?? false { return }
    record.pointee.leave(memory: isPrepared && keep == nil)
  }
}

/// One crash on its way into a dump.
struct CrashRecord {
  let context: UnsafePointer<FaultContext>
  let state: UnsafeMutablePointer<CaptureState>
  let gate: ConsentGate
  let uptime: UInt64
  let image = halImage()
  let kind: CrashKind
  let fingerprint: Fingerprint

  init(
    _ context: UnsafePointer<FaultContext>, _ state: UnsafeMutablePointer<CaptureState>,
    _ gate: ConsentGate, _ uptime: UInt64
  ) {
    self.context = context
    self.state = state
    self.gate = gate
    self.uptime = uptime
    kind = context.kind
    let isKnown = context.hasFrame
    fingerprint = image.fingerprint(
      kind, pc: isKnown ? context.pointee.pc &- image.codeStart : .max,
      lr: isKnown ? context.pointee.lr &- image.codeStart : .max)
  }

  /// Leaves a dump in retained RAM, for the boot agent to store and count: registers alone, because
  /// they always fit, unless this image keeps its dumps nowhere else. Without a key nothing is left but
  /// the count.
  func leave(memory: Bool) {
    let left = LeftDump()
    guard let seal = sealingKeys().take(.left, epoch: gate.epoch) else {
      gate.countUncaptured()
      return
    }
    var writer = DumpWriter(
      memory: left.start, size: UInt32(LeftDump.capacity), seal: seal, buffer: state.buffer)
    let isNested = context.isNested
    var flags = memory ? 0 : PrologueLayout.registerOnly
    if isNested { flags |= PrologueLayout.nested }
    write(to: &writer, memory: memory && !isNested, flags: flags)
    left.finish(&writer)
  }

  /// Writes everything but the dump's end.
  func write(to writer: inout DumpWriter, memory: Bool, flags: UInt8) {
    fillHeader(writer.header, flags: flags)
    writer.begin()
    writeRegisters(&writer)
    guard memory else { return }
    Breadcrumbs.write(to: &writer)
    writeMemory(&writer)
  }

  private func fillHeader(_ header: UnsafeMutableRawPointer, flags: UInt8) {
    // A crash before its boot was counted goes by the last number that was given.
    let boot = state.pointee.bootCount
    image.fillHeader(
      header, kind, fingerprint, boot: boot == 0 ? gate.lastBoot : boot,
      sequence: boot == 0 ? 3 : 1, uptime: uptime, epoch: gate.epoch)
    header.store8(flags, at: PrologueLayout.flags)
    header.store8(halResetCause().rawValue, at: PrologueLayout.resetCause)
    header.store8(state.pointee.component, at: PrologueLayout.component)
  }

  private func writeRegisters(_ writer: inout DumpWriter) {
    // The context's words lie in the order of the blocks.
    let words = UnsafeRawPointer(context)
    writer.add(.core, words, length: 26 * 4)
    writer.add(.faultStatus, words + 26 * 4, length: 8 * 4)
    if context.hasFloatingPoint {
      writer.add(.floatingPoint, words + 34 * 4, length: 33 * 4)
    }
    let regions = min(
      context.pointee.mpuType >> 8 & 0xFF, UInt32(MARTLET_CONTEXT_MPU_REGIONS))
    writer.add(.mpu, words + 67 * 4, length: 8 + 8 * regions)
    let lines = min(context.pointee.nvicWords, UInt32(MARTLET_CONTEXT_NVIC_WORDS))
    writer.add(.nvic, words + 85 * 4, length: 4 + 12 * lines)
    writer.add(.sysTick, words + 110 * 4, length: 16)
    var code = (image.codeStart.littleEndian, image.codeLength.littleEndian)
    withUnsafePointer(to: &code) { writer.add(.image, $0, length: 8) }
    // Last, because it is the one that may not fit in retained RAM.
    if let trap = context.trap, trap == trapCrash || trap == trapAssertion {
      var length = min(context.pointee.r.1, UInt32(BlockHeader.longestReason))
      if let text = halReadable(context.pointee.r.0, &length) {
        writer.add(.reason, text, length: length)
      }
    }
  }

  private func writeMemory(_ writer: inout DumpWriter) {
    let count = UInt32(state.pointee.redactionCount)
    writer.add(.redaction, state.redactions, length: 8 &* count)
    write(
      context.pointee.sp, state.pointee.stackLimit &+ CrashCapture.defaultStackLimit,
      UInt32(MemoryRole.interruptedStack.rawValue), &writer)
    for i in 0..<Int(state.pointee.regionCount) {
      let region = state.regions + i * CaptureState.regionStride
      write(
        region.load32(at: 0), region.load32(at: 4),
        UInt32(MemoryRole.registeredRegion.rawValue) | region.load32(at: 8), &writer)
    }
  }

  /// Writes as much of a run of memory as can be read. An address that nobody can read leaves no block:
  /// a stack pointer that lies is not followed.
  @inline(never)
  private func write(
    _ address: UInt32, _ limit: UInt32, _ label: UInt32, _ writer: inout DumpWriter
  ) {
    var length = limit
    guard let start = halReadable(address, &length), length > 0 else { return }
    var type = UInt32(BlockType.memory.rawValue)
    if redact(nil, address, length) { type |= BlockHeader.redactedFlag }
    let preamble = UInt32(BlockHeader.memoryPreamble)
    let taken = writer.open(type, length &+ preamble)
    guard taken > preamble else { return }
    writer.word(address)
    writer.word(label)
    writer.append(start, taken &- preamble) { copy, at, count in
      _ = redact(copy, address &+ at, count)
    }
    writer.pad()
  }

  /// Answers whether something of a run of memory is redacted, and zeros it in a copy of the run.
  @inline(never)
  private func redact(
    _ copy: UnsafeMutableRawPointer?, _ address: UInt32, _ count: UInt32
  ) -> Bool {
    var isRedacted = false
    var run = state.redactions
    let end = run + Int(state.pointee.redactionCount) * 8
    while run < end {
      // Relative to the copy's start, so that nothing overflows.
      var from = run.load32(at: 0) &- address
      var to = from &+ run.load32(at: 4)
      run += 8
      if from >= count {
        // It may begin before the copy: its end then wraps around.
        guard to < from else { continue }
        from = 0
      } else if to < from {
        to = count
      }
      to = min(to, count)
      while from < to {
        isRedacted = true
        copy?.store8(0, at: Int(from))
        from &+= 1
      }
    }
    return isRedacted
  }
}
