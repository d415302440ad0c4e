// What goes wrong while a dump or the ELF file that explains it is read, in words for people.

import DumpFormat
import Foundation

/// Why a dump or an ELF file could not be read: a stable code for programs, words for people, and
/// what to do about it.
public struct DumpAnalysisError: Error, Equatable, Sendable {
  /// Stable names of everything that can go wrong.
  public enum Code: String, Codable, Sendable, CaseIterable {
    /// The bytes do not begin as a dump does.
    case notADump
    /// A format version this reader does not know.
    case unknownVersion
    /// The dump is sealed, and only the service has the key.
    case sealedDump
    /// Checksums, lengths or the commit mark do not hold.
    case damagedDump
    /// Checksums hold, yet a block says something that cannot be.
    case malformedBlock
    /// The bytes are not an ELF file for 32-bit little-endian ARM.
    case notAnELF
    /// An ELF file whose tables point outside of it.
    case damagedELF
    /// An ELF file, or a dump, that carries no build-id.
    case noBuildID
    /// The ELF file that was named belongs to another image.
    case wrongELF
    /// None of the places searched holds the ELF file.
    case elfNotFound
    /// A file could not be read.
    case unreadableFile
  }

  public var code: Code
  /// What is wrong.
  public var message: String
  /// What to do about it.
  public var remedy: String

  public init(code: Code, message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }
}

extension DumpAnalysisError: LocalizedError, CustomStringConvertible {
  public var description: String { "\(message). \(remedy)." }
  public var errorDescription: String? { description }
}

extension DumpAnalysisError {
  /// The refusal of the prologue's reader, in words.
  init(_ error: DumpFormatError, byteCount: Int) {
    let fetchAgain = "Fetch the dump again; what was damaged on the way is whole at its source"
    switch error {
    case .tooShort:
      self.init(
        code: .damagedDump,
        message: "\(byteCount) bytes are too few: a dump begins with \(DumpPrologue.size)",
        remedy: fetchAgain)
    case .notADump:
      self.init(
        code: .notADump, message: "These bytes are not a Martlet dump: they do not begin with MDMP",
        remedy: "Name a file that `martlet dump` or the bridge wrote")
    case .unknownVersion:
      self.init(
        code: .unknownVersion,
        message: "The dump has a format version other than \(dumpFormatVersion)",
        remedy: "Use a newer Martlet to read it")
    case .headerDamaged:
      self.init(
        code: .damagedDump, message: "The checksum of the dump's header does not match",
        remedy: fetchAgain)
    case .notCommitted:
      self.init(
        code: .damagedDump, message: "The dump has no valid commit mark: it was never finished",
        remedy: fetchAgain)
    case .lengthMismatch:
      self.init(
        code: .damagedDump,
        message: "The dump's \(byteCount) bytes are more or fewer than its prologue says",
        remedy: fetchAgain)
    case .bodyDamaged:
      self.init(
        code: .damagedDump, message: "The checksum of the dump's body does not match",
        remedy: fetchAgain)
    case .invalidField:
      self.init(
        code: .damagedDump, message: "A field of the dump's prologue is outside its range",
        remedy: "Check that the image and this reader are of the same Martlet release")
    }
  }

  /// A dump as it left its device.
  static let sealed = DumpAnalysisError(
    code: .sealedDump, message: "The dump is sealed to a key that the service alone has",
    remedy: "Read it from the service: `martlet dump list` shows what is stored there")

  /// A block that lies.
  static func malformed(_ what: String) -> DumpAnalysisError {
    DumpAnalysisError(
      code: .malformedBlock, message: what,
      remedy: "Report it with the dump: the image that wrote it has a fault in its capture")
  }
}
