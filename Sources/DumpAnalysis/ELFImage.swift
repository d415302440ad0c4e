// A firmware's ELF file: its build-id, its functions, its read-only bytes.

import DumpFormat
import Foundation

/// An ELF file for 32-bit little-endian ARM, read without trusting a single one of its tables.
///
/// Any bytes are safe to pass: reading takes time in proportion to their number, never traps and
/// never reads beyond them.
public struct ELFImage: Sendable {
  /// A section of the file.
  public struct Section: Equatable, Sendable {
    public var name: String
    /// `SHT_*` of the ELF specification.
    public var type: UInt32
    /// `SHF_*`: 1 writable, 2 in memory, 4 code.
    public var flags: UInt32
    public var address: UInt32
    /// Where the content lies in the file.
    public var offset: UInt32
    public var size: UInt32
    var link: UInt32

    var isInMemory: Bool { flags & 2 != 0 }
    var isWritable: Bool { flags & 1 != 0 }
    var isCode: Bool { flags & 4 != 0 }
    /// Swift's `@section` marks constants as writable, so the name of their section counts as well.
    var isConstant: Bool { isInMemory && (!isWritable || name.hasPrefix(".rodata")) }
    /// Addresses covered.
    public var range: Range<UInt64> { UInt64(address)..<(UInt64(address) + UInt64(size)) }
  }

  /// A function of the symbol table.
  public struct Function: Equatable, Sendable {
    /// As the symbol table spells it, mangled where the language mangles.
    public var name: String
    /// The first instruction, Thumb bit cleared.
    public var address: UInt32
    /// Bytes; where the table says 0, up to the next function of the section.
    public var size: UInt32
  }

  /// Where the file lies; `nil` when it was read from memory.
  public let url: URL?
  public let bytes: [UInt8]
  public let sections: [Section]
  /// In the order of their addresses.
  public let functions: [Function]
  /// The GNU build-id; `nil` when the file has none of 20 bytes.
  public let buildID: BuildID?

  /// Reads a file.
  /// - Throws: `unreadableFile`, or what ``init(bytes:url:)`` throws.
  public init(contentsOf url: URL) throws(DumpAnalysisError) {
    let data: Data
    do {
      data = try Data(contentsOf: url, options: .mappedIfSafe)
    } catch {
      throw DumpAnalysisError(
        code: .unreadableFile, message: "\(url.path) cannot be read: \(error.localizedDescription)",
        remedy: "Check the path and its permissions")
    }
    try self.init(bytes: [UInt8](data), url: url)
  }

  /// Reads an ELF file from memory.
  /// - Parameter url: where the bytes come from, for errors and for gdb.
  /// - Throws: `notAnELF` or `damagedELF`.
  public init(bytes: [UInt8], url: URL? = nil) throws(DumpAnalysisError) {
    let name = url?.path ?? "The file"
    let reader = ByteReader(bytes)
    guard Self.isELF(bytes[...]) else {
      throw DumpAnalysisError(
        code: .notAnELF, message: "\(name) is not an ELF file for a 32-bit little-endian ARM",
        remedy: "Name the ELF file that the linker wrote, not a flash image")
    }
    func damaged(_ what: String) -> DumpAnalysisError {
      DumpAnalysisError(
        code: .damagedELF, message: "\(name) is damaged: \(what)",
        remedy: "Build the firmware again, or copy the file again")
    }
    let sections = try Self.readSections(reader, damaged)
    self.url = url
    self.bytes = bytes
    self.sections = sections
    functions = Self.readFunctions(reader, sections)
    buildID = Self.readBuildID(reader, sections)
  }

  /// Whether a file that begins with `head` (at least 20 bytes) may be one for this reader.
  static func isELF(_ head: ArraySlice<UInt8>) -> Bool {
    let reader = ByteReader(head)
    // Magic, 32 bits, little endian; machine 40 is ARM.
    return reader.word(0) == 0x464C_457F && reader.byte(4) == 1 && reader.byte(5) == 1
      && reader.half(18) == 40
  }

  /// The build-id or the error that says how to get one.
  public func requireBuildID() throws(DumpAnalysisError) -> BuildID {
    if let buildID, !buildID.isMissing { return buildID }
    throw DumpAnalysisError(
      code: .noBuildID, message: "\(url?.path ?? "The ELF file") has no build-id",
      remedy: "Link the firmware with --build-id=sha1 and keep .note.gnu.build-id in the image")
  }

  /// Refuses a file that cannot explain a dump of `wanted`.
  /// - Throws: `noBuildID` or `wrongELF`.
  public func requireBuildID(_ wanted: BuildID) throws(DumpAnalysisError) {
    let own = try requireBuildID()
    guard own != wanted else { return }
    throw DumpAnalysisError(
      code: .wrongELF,
      message: "\(url?.path ?? "The ELF file") has build-id \(own.hexDigits),"
        + " but the dump was taken by \(wanted.hexDigits)",
      remedy: "Name the ELF file of the very build that crashed")
  }

  /// The function that holds `address`; its Thumb bit is ignored.
  public func function(at address: UInt32) -> Function? {
    let address = address & ~1
    var (low, high) = (0, functions.count)
    while low < high {
      let middle = (low + high) / 2
      if functions[middle].address <= address { low = middle + 1 } else { high = middle }
    }
    // Aliases share an address: the last of them stands right before `low`.
    guard low > 0 else { return nil }
    let candidate = functions[low - 1]
    return address - candidate.address < candidate.size ? candidate : nil
  }

  /// Whether code of the image can lie at `address`: inside a code section and, unless the
  /// file was stripped, inside a function.
  public func isCode(_ address: UInt32) -> Bool {
    let address = address & ~1
    return sections.contains { $0.isCode && $0.range.contains(UInt64(address)) }
      && (functions.isEmpty || function(at: address) != nil)
  }

  /// The content of a section; `nil` when it has none in the file.
  public func content(of section: Section) -> ArraySlice<UInt8>? {
    guard section.type != ELFImage.noBits else { return nil }
    return ByteReader(bytes).slice(Int(section.offset), Int(section.size))
  }

  /// Code and constants: what the board's memory held before the first instruction and still does.
  public var readOnlyRuns: [(address: UInt32, bytes: ArraySlice<UInt8>)] {
    sections.filter { $0.isConstant && $0.range.upperBound <= 1 << 32 }
      .compactMap { section in
        content(of: section).flatMap { $0.isEmpty ? nil : (section.address, $0) }
      }
  }
}
