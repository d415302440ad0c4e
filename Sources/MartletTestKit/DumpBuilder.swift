// Well-formed dumps with chosen blocks, for tests of everything that reads them.

import BoardHAL
import DumpFormat

/// Builds a dump block by block and seals it with right lengths and checksums.
///
/// ```swift
/// let dump = DumpBuilder.sample().build()
/// ```
public struct DumpBuilder: Sendable {
  /// The prologue's first half; change it before ``build()``. The fingerprint is computed there
  /// unless it was set.
  public var header: DumpHeader
  /// The prologue's truncated bit.
  public var isTruncated = false
  /// The blocks so far; change it to make a dump that lies under checksums that hold.
  public var body: [UInt8] = []
  /// How many blocks were appended.
  public private(set) var blocks: UInt32 = 0
  private var programCounter: UInt32?
  private var linkRegister: UInt32?
  private var codeStart: UInt32 = 0

  /// A dump without blocks. Build-id, version and uptime are set to known values.
  public init(
    kind: CrashKind = .usageFault, key: DumpKey = DumpKey(bootCount: 1, sequence: 1)
  ) {
    header = DumpHeader(kind: kind, key: key)
    header.buildID = BuildID((0..<20).map { UInt8(0xB0 + $0) })
    header.setVersion("1.0.0")
    header.uptime = 12_345_678
    header.resetCause = .powerOn
    header.consentEpoch = 1
  }

  /// A dump with every block that a capture of `context` writes.
  ///
  /// - Parameter stack: bytes found at the context's SP.
  public static func sample(
    kind: CrashKind = .usageFault, key: DumpKey = DumpKey(bootCount: 1, sequence: 1),
    context: FaultContext = makeFaultContext(), stack: [UInt8] = [UInt8](0..<64)
  ) -> DumpBuilder {
    var builder = DumpBuilder(kind: kind, key: key)
    builder.addImage(codeStart: 0, codeLength: 0x10000)
    builder.addCore(context)
    builder.addFaultStatus(context)
    builder.addFloatingPoint(context)
    builder.addMemory(at: context.sp, role: .interruptedStack, stack)
    return builder
  }

  // MARK: - Blocks

  /// Appends a block of any type, also one that no reader knows.
  ///
  /// - Parameter claimed: the length that the block claims; the true one by default.
  public mutating func add(
    _ type: BlockType, _ content: [UInt8], isTruncated: Bool = false, isRedacted: Bool = false,
    claimed: UInt32? = nil
  ) {
    var header = BlockHeader(type: type, length: UInt32(content.count))
    let padding = Int(header.padding)
    header.length = claimed ?? header.length
    header.isTruncated = isTruncated
    header.isRedacted = isRedacted
    body += bytes(BlockHeader.size) { header.encode(to: $0) }
    body += content
    body += [UInt8](repeating: 0, count: padding)
    blocks += 1
  }

  /// Appends a block of 32-bit words.
  public mutating func add(_ type: BlockType, words: [UInt32]) {
    add(type, words.flatMap(littleEndian))
  }

  /// Appends the core registers; PC and LR enter the fingerprint where the context knows them.
  public mutating func addCore(_ context: FaultContext) {
    add(
      .core,
      words: context.coreRegisters + [
        context.sp, context.lr, context.pc, context.xpsr, context.excReturn, context.msp,
        context.psp, context.control, context.primask, context.basepri, context.faultmask,
        context.flags, context.exception,
      ])
    if context.flags & UInt32(MARTLET_CONTEXT_FRAME_VALID) != 0 {
      programCounter = context.pc
      linkRegister = context.lr
    }
  }

  /// Appends the fault status registers.
  public mutating func addFaultStatus(_ context: FaultContext) {
    add(
      .faultStatus,
      words: [
        context.cfsr, context.hfsr, context.dfsr, context.mmfar, context.bfar, context.afsr,
        context.shcsr, context.icsr,
      ])
  }

  /// Appends S0 to S31 and FPSCR.
  public mutating func addFloatingPoint(_ context: FaultContext) {
    add(.floatingPoint, words: context.floatRegisters + [context.fpscr])
  }

  /// Appends memory content.
  public mutating func addMemory(
    at address: UInt32, role: MemoryRole = .interruptedStack, region: UInt16 = 0,
    _ content: [UInt8],
    isTruncated: Bool = false, isRedacted: Bool = false
  ) {
    let preamble = bytes(BlockHeader.memoryPreamble) {
      $0.store32(address, at: 0)
      $0.store16(role.rawValue, at: 4)
      $0.store16(region, at: 6)
    }
    add(.memory, preamble + content, isTruncated: isTruncated, isRedacted: isRedacted)
  }

  /// Appends the list of runs that memory blocks hold as zeros.
  public mutating func addRedactions(_ runs: [(address: UInt32, length: UInt32)]) {
    add(.redaction, words: runs.flatMap { [$0.address, $0.length] })
  }

  /// Appends the application's last events, oldest first.
  public mutating func addBreadcrumbs(_ crumbs: [(uptime: UInt64, id: UInt32, value: UInt32)]) {
    add(
      .breadcrumbs,
      words: crumbs.flatMap {
        [UInt32(truncatingIfNeeded: $0.uptime), UInt32($0.uptime >> 32), $0.id, $0.value]
      })
  }

  /// Appends the reason given to `crash`, cut to 256 bytes.
  public mutating func addReason(_ reason: String) {
    add(.reason, Array(reason.utf8.prefix(BlockHeader.longestReason)))
  }

  /// Appends where the image's code lies; the fingerprint is relative to it.
  public mutating func addImage(codeStart: UInt32, codeLength: UInt32) {
    add(.image, words: [codeStart, codeLength])
    self.codeStart = codeStart
  }

  /// Appends the end block with the right count.
  public mutating func addEnd() { add(.end, words: [blocks]) }

  // MARK: - The dump

  /// The whole dump: prologue, blocks and, unless left out, the end block.
  public func build(withEnd: Bool = true) -> [UInt8] {
    var whole = self
    if withEnd { whole.addEnd() }
    var header = header
    if header.fingerprint.rawValue == 0 {
      header.fingerprint = Fingerprint(
        buildID: header.buildID, kind: header.kind, pc: programCounter.map { $0 &- codeStart },
        lr: linkRegister.map { $0 &- codeStart })
    }
    let body = whole.body
    let commit = DumpCommit(
      bodyLength: UInt32(body.count), bodyCRC: body.withUnsafeBytes { CRC32C.checksum($0) },
      isTruncated: isTruncated)
    return bytes(DumpPrologue.size) {
      DumpPrologue(header: header, commit: commit).encode(to: $0)
    } + body
  }
}

extension BuildID {
  /// An id from up to 20 bytes; missing ones are zero.
  public init(_ bytes: some Sequence<UInt8>) {
    self.init()
    for (i, byte) in bytes.prefix(Self.count).enumerated() { self.bytes[i] = byte }
  }
}

extension DumpHeader {
  /// Sets the version to the first 15 bytes of `text` and pads it with zeros.
  public mutating func setVersion(_ text: String) {
    version = InlineArray(repeating: 0)
    for (i, byte) in text.utf8.prefix(15).enumerated() { version[i] = byte }
  }
}

/// `count` bytes that `fill` writes, zero where it does not.
private func bytes(_ count: Int, _ fill: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
  var result = [UInt8](repeating: 0, count: count)
  result.withUnsafeMutableBytes { buffer in
    if let base = buffer.baseAddress { fill(base) }
  }
  return result
}

/// The bytes of a number, lowest first.
func littleEndian(_ word: UInt32) -> [UInt8] {
  bytes(4) { $0.store32(word, at: 0) }
}
