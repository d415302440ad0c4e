// The 128 bytes in front of every dump: what bridge and service may know without opening it.

/// The version this code writes and reads.
///
/// - 1: first version.
/// - 2: sealed bodies; sequence 3 names the last boot that was counted.
public let dumpFormatVersion: UInt8 = 2

/// Where a prologue's fields lie, bytes from the start of the dump (docs/formats/dump.md, Prologue),
/// and what makes its two parts count. Shared by the structures below and by code that has no room
/// for structures.
public enum PrologueLayout {
  public static let encoding = 5
  public static let kind = 6
  public static let flags = 7
  public static let bootCount = 8
  public static let sequence = 12
  public static let fingerprint = 16
  public static let uptime = 24
  public static let buildID = 32
  public static let imageVersion = 52
  public static let imageVersionSize = 16
  public static let resetCause = 68
  public static let component = 69
  public static let consentEpoch = 72
  public static let occurrences = 76
  static let headerCRC = 92
  public static let bodyLength = 96
  public static let bodyCRC = 100
  public static let completion = 104
  public static let commitMark = 120
  static let commitCRC = 124

  /// Bits of the flags.
  public static let registerOnly: UInt8 = 1
  public static let nested: UInt8 = 2
  /// Bit of the completion.
  public static let truncated: UInt32 = 1

  /// "MDMP" and "DONE", little endian.
  static let magic: UInt32 = 0x504D_444D
  static let done: UInt32 = 0x454E_4F44

  /// Stores magic, format version and checksum of the header at `dump`, whose other 92 bytes are there.
  public static func sealHeader(_ dump: UnsafeMutableRawPointer) {
    dump.store32(magic, at: 0)
    dump.store8(dumpFormatVersion, at: 4)
    dump.store32(CRC32C.checksum(dump, count: headerCRC), at: headerCRC)
  }

  /// Whether 96 intact bytes of a header of this version lie at `dump`.
  public static func isHeader(_ dump: UnsafeRawPointer) -> Bool {
    dump.load32(at: 0) == magic && dump.load8(at: 4) == dumpFormatVersion
      && dump.load32(at: headerCRC) == CRC32C.checksum(dump, count: headerCRC)
  }

  /// Stores a whole commit at `commit`, 32 bytes.
  public static func writeCommit(
    _ commit: UnsafeMutableRawPointer, bodyLength: UInt32, bodyCRC: UInt32, isTruncated: Bool
  ) {
    commit.clear(DumpCommit.size)
    commit.store32(bodyLength, at: 0)
    commit.store32(bodyCRC, at: 4)
    commit.store32(isTruncated ? truncated : 0, at: 8)
    commit.store32(done, at: 24)
    commit.store32(CRC32C.checksum(commit, count: 28), at: 28)
  }

  /// Whether 32 intact bytes of a commit lie at `commit`.
  public static func isCommit(_ commit: UnsafeRawPointer) -> Bool {
    commit.load32(at: 24) == done && commit.load32(at: 28) == CRC32C.checksum(commit, count: 28)
  }
}

/// How a dump's body is stored.
public enum DumpEncoding: UInt8, Sendable {
  /// Blocks in the clear: what the service makes of a dump for who reads it.
  case blocks = 0
  /// Sealed chunks behind an envelope: what devices write.
  case sealed = 1
}

/// The first 96 bytes of a dump, programmed before its body (docs/formats/dump.md, Prologue).
public struct DumpHeader: Sendable {
  /// Bytes on flash and on the wire.
  public static let size = 96
  public var encoding = DumpEncoding.blocks
  public var kind: CrashKind
  /// Nothing but registers was kept.
  public var isRegisterOnly = false
  /// The crash happened inside the fault path.
  public var isNested = false
  public var key: DumpKey
  public var fingerprint = Fingerprint(rawValue: 0)
  /// Microseconds since the last power-on.
  public var uptime: UInt64 = 0
  public var buildID = BuildID()
  /// UTF-8, padded with zeros.
  public var version = InlineArray<16, UInt8>(repeating: 0)
  public var resetCause = ResetCause.unknown
  public var component: UInt8 = 0
  public var consentEpoch: UInt32 = 0
  /// Crashes of this fingerprint that the record stands for.
  public var occurrences: UInt32 = 1

  public init(kind: CrashKind, key: DumpKey) {
    self.kind = kind
    self.key = key
  }

  /// Writes 96 bytes, checksum included.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    bytes.clear(Self.size)
    bytes.store8(encoding.rawValue, at: 5)
    bytes.store8(kind.rawValue, at: 6)
    bytes.store8((isRegisterOnly ? 1 : 0) | (isNested ? 2 : 0), at: 7)
    bytes.store32(key.bootCount, at: 8)
    bytes.store32(key.sequence, at: 12)
    bytes.store64(fingerprint.rawValue, at: 16)
    bytes.store64(uptime, at: 24)
    buildID.store(to: bytes + 32)
    (bytes + 52).storeBytes(of: version, as: InlineArray<16, UInt8>.self)
    bytes.store8(resetCause.rawValue, at: 68)
    bytes.store8(component, at: 69)
    bytes.store32(consentEpoch, at: 72)
    bytes.store32(occurrences, at: 76)
    PrologueLayout.sealHeader(bytes)
  }

  /// Reads 96 bytes. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(DumpFormatError) {
    guard bytes.count >= Self.size, let base = bytes.baseAddress else { throw .tooShort }
    guard base.load32(at: 0) == PrologueLayout.magic else { throw .notADump }
    guard base.load8(at: 4) == dumpFormatVersion else { throw .unknownVersion }
    guard PrologueLayout.isHeader(base) else { throw .headerDamaged }
    guard let encoding = DumpEncoding(rawValue: base.load8(at: 5)),
      let kind = CrashKind(rawValue: base.load8(at: 6)),
      let resetCause = ResetCause(rawValue: base.load8(at: 68))
    else { throw .invalidField }
    self.encoding = encoding
    self.kind = kind
    self.resetCause = resetCause
    isRegisterOnly = base.load8(at: 7) & 1 != 0
    isNested = base.load8(at: 7) & 2 != 0
    key = DumpKey(bootCount: base.load32(at: 8), sequence: base.load32(at: 12))
    fingerprint = Fingerprint(rawValue: base.load64(at: 16))
    uptime = base.load64(at: 24)
    buildID = BuildID(at: base + 32)
    version = (base + 52).loadUnaligned(as: InlineArray<16, UInt8>.self)
    component = base.load8(at: 69)
    consentEpoch = base.load32(at: 72)
    occurrences = base.load32(at: 76)
  }
}

/// Bytes 96 to 127 of a dump, programmed after its body: they make it count.
public struct DumpCommit: Equatable, Sendable {
  /// Bytes on flash and on the wire.
  public static let size = 32
  /// Bytes that follow the prologue.
  public var bodyLength: UInt32
  public var bodyCRC: UInt32
  /// The body ends before the capture did.
  public var isTruncated: Bool

  public init(bodyLength: UInt32, bodyCRC: UInt32, isTruncated: Bool) {
    self.bodyLength = bodyLength
    self.bodyCRC = bodyCRC
    self.isTruncated = isTruncated
  }

  /// Writes 32 bytes, mark and checksum included.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    PrologueLayout.writeCommit(
      bytes, bodyLength: bodyLength, bodyCRC: bodyCRC, isTruncated: isTruncated)
  }

  /// Reads 32 bytes. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(DumpFormatError) {
    guard bytes.count >= Self.size, let base = bytes.baseAddress else { throw .tooShort }
    guard PrologueLayout.isCommit(base) else { throw .notCommitted }
    bodyLength = base.load32(at: 0)
    bodyCRC = base.load32(at: 4)
    isTruncated = base.load32(at: 8) & 1 != 0
  }
}

/// Header and commit together: the first 128 bytes of a finished dump.
public struct DumpPrologue: Sendable {
  /// Bytes on flash and on the wire.
  public static let size = DumpHeader.size + DumpCommit.size
  /// The longest dump, prologue included.
  public static let largestDump = 1 << 20

  public var header: DumpHeader
  public var commit: DumpCommit

  /// Bytes of the whole dump.
  public var totalLength: Int { Self.size + Int(commit.bodyLength) }

  public init(header: DumpHeader, commit: DumpCommit) {
    self.header = header
    self.commit = commit
  }

  /// Writes 128 bytes.
  public func encode(to bytes: UnsafeMutableRawPointer) {
    header.encode(to: bytes)
    commit.encode(to: bytes + DumpHeader.size)
  }

  /// Reads the first 128 bytes of a dump. Any bytes are safe to pass.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(DumpFormatError) {
    guard bytes.count >= Self.size, let base = bytes.baseAddress else { throw .tooShort }
    header = try DumpHeader(decoding: bytes)
    commit = try DumpCommit(
      decoding: UnsafeRawBufferPointer(start: base + DumpHeader.size, count: DumpCommit.size))
    guard commit.bodyLength <= UInt32(Self.largestDump - Self.size) else { throw .invalidField }
  }

  /// Reads the prologue of a whole dump and checks length and checksum of the body behind it.
  public init(verifyingDump bytes: UnsafeRawBufferPointer) throws(DumpFormatError) {
    self = try DumpPrologue(decoding: bytes)
    guard bytes.count == totalLength else { throw .lengthMismatch }
    let body = UnsafeRawBufferPointer(rebasing: bytes[Self.size...])
    guard CRC32C.checksum(body) == commit.bodyCRC else { throw .bodyDamaged }
  }
}
