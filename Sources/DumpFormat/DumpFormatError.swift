// What can be wrong with bytes that claim to be part of a dump.

/// Why a dump, or a part of one, was not accepted. The numbers are stable.
public enum DumpFormatError: UInt8, Error, Sendable {
  /// Fewer bytes than the structure needs.
  case tooShort = 1
  /// The magic is another one: these bytes are not a dump.
  case notADump = 2
  /// A format version this code does not know.
  case unknownVersion = 3
  /// The header's checksum does not match.
  case headerDamaged = 4
  /// The commit mark is missing or its checksum does not match: the dump was never finished.
  case notCommitted = 5
  /// The body is longer or shorter than the prologue says.
  case lengthMismatch = 6
  /// The body's checksum does not match.
  case bodyDamaged = 7
  /// A field holds a value outside its range.
  case invalidField = 8
}
