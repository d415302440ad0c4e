// A dump taken apart into what the board knew when it crashed.

import DumpFormat

/// A whole dump, checked and decoded.
///
/// Any bytes are safe to pass: decoding takes time in proportion to their number, never traps and
/// never reads beyond them. What a dump does not hold is `nil` or empty, never zero.
public struct DecodedDump: Sendable {
  public let prologue: DumpPrologue
  /// The capture went on after the body ended: parts are missing.
  public internal(set) var isTruncated: Bool
  public internal(set) var core: CoreRegisters?
  public internal(set) var faultStatus: FaultStatus?
  public internal(set) var floatingPoint: FloatingPointRegisters?
  public internal(set) var mpu: MPUState?
  public internal(set) var nvic: NVICState?
  public internal(set) var sysTick: SysTickState?
  public internal(set) var memory: [MemoryBlock] = []
  public internal(set) var redactions: [Redaction] = []
  /// Oldest first.
  public internal(set) var breadcrumbs: [Breadcrumb] = []
  public internal(set) var reason: String?
  public internal(set) var image: ImageRange?
  public internal(set) var unknownBlocks: [UnknownBlock] = []

  /// Checks and decodes a whole dump.
  /// - Parameter bytes: prologue and body, nothing before or behind them.
  /// - Throws: what is wrong with the prologue or a checksum, or the first block that lies, with
  ///   its offset from the start of the body.
  public init(bytes: [UInt8]) throws(DumpAnalysisError) {
    let outcome: Result<DumpPrologue, DumpFormatError> = bytes.withUnsafeBytes { raw in
      do throws(DumpFormatError) {
        return .success(try DumpPrologue(verifyingDump: raw))
      } catch {
        return .failure(error)
      }
    }
    switch outcome {
    case .success(let prologue):
      try self.init(prologue: prologue, body: bytes[DumpPrologue.size...])
    case .failure(let error):
      throw DumpAnalysisError(error, byteCount: bytes.count)
    }
  }

  /// Decodes a body whose checksum the caller has checked.
  /// - Throws: the first block that lies, with its offset from the start of the body; or that the body
  ///   is sealed.
  public init(prologue: DumpPrologue, body: ArraySlice<UInt8>) throws(DumpAnalysisError) {
    guard prologue.header.encoding == .blocks else { throw .sealed }
    self.prologue = prologue
    isTruncated = prologue.commit.isTruncated
    try decode(ByteReader(body))
  }

  public var header: DumpHeader { prologue.header }

  /// Text of the image's version; bytes that are not UTF-8 are replaced.
  public var version: String { header.version.unpaddedText }

  /// The crash in one line: kind, program counter, link register, stack pointer and image.
  ///
  /// `AppCrash (kind=usageFault; pc=0x00001234; lr=0x00000567; sp=0x00080000; build=1a2b3c4d)`,
  /// with `unknown` for what is not known.
  public var signature: String {
    let build = header.buildID.isMissing ? "unknown" : String(header.buildID.hexDigits.prefix(8))
    func text(_ value: UInt32?) -> String { value?.hex ?? "unknown" }
    return "AppCrash (kind=\(header.kind); pc=\(text(core?.pc)); lr=\(text(core?.lr));"
      + " sp=\(text(core?.sp)); build=\(build))"
  }
}
