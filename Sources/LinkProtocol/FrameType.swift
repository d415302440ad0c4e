// The closed lists of the link protocol (docs/formats/link.md).

/// Version this code speaks, and the low nibble of a frame's marker.
///
/// - 1: first version.
public let linkProtocolVersion: UInt8 = 1

/// A frame's type. Bit 7 tells the direction: clear from the board, set from the host.
public enum FrameType: UInt8, Sendable {
  case hello = 0x01
  case offer = 0x02
  case none = 0x03
  case data = 0x04
  case leaseStatus = 0x05
  case done = 0x06
  case starting = 0x07
  case refused = 0x08
  case count = 0x09
  case identity = 0x0A
  case who = 0x81
  case welcome = 0x82
  case lease = 0x83
  case next = 0x84
  case fetch = 0x85
  case receipt = 0x86
  case go = 0x87
  case tally = 0x88
  case provision = 0x89
}

/// Sizes that both ends agree on without asking.
public enum FrameLimit {
  /// Largest frame before COBS until a WELCOME agrees on another, and of every frame but DATA.
  public static let initial = 256
  /// Smallest and largest frame that a WELCOME may agree on.
  public static let smallest = 64
  public static let largest = 4096
  /// Bytes of a frame that are not payload: marker, type, sequence, CRC.
  public static let overhead = 7
  /// Bytes of a DATA frame's payload that are not content: transfer, offset.
  public static let dataPreamble = 4

  /// Bytes on the line for a frame of `size` bytes, delimiters included, at worst.
  public static func encoded(_ size: Int) -> Int { size + size / 254 + 3 }

  /// Bytes of the buffer in which a frame of `size` bytes is written.
  public static func writing(_ size: Int) -> Int { size + FrameWriter.extraRoom }
}

/// What becomes of a record on the board.
public enum ReceiptVerdict: UInt8, Sendable {
  /// Stored durably: the board releases the record.
  case stored = 1
  /// Not wanted: the board releases the record.
  case notWanted = 2
  /// Not now: the board keeps the record.
  case notNow = 3
}

/// How a RECEIPT ended on the board.
public enum DoneStatus: UInt8, Sendable {
  case done = 0
  case noSuchDump = 1
  case flashFailed = 2
}

/// Where the board is in its start.
public enum BootPhase: UInt8, Sendable {
  /// The boot agent waits for the host.
  case agent = 0
  /// The application runs.
  case application = 1
}

/// Why the application starts.
public enum StartReason: UInt8, Sendable {
  case hostSaidGo = 0
  case nobodyAnswered = 1
  case nothingToForward = 2
  case hostFellSilent = 3
  case timeLimit = 4
}

/// Why a request could not be met.
public enum RefusalCode: UInt8, Sendable {
  case unknownType = 1
  case malformed = 2
  case noSuchDump = 3
  case outOfRange = 4
  case noLease = 5
  /// Flash, or the source of entropy.
  case flashFailed = 6
  /// The board trusts another service.
  case otherService = 7
}

/// What is wrong with a payload. The numbers are stable.
public enum LinkError: UInt8, Error, Sendable {
  /// Fewer or more bytes than the type has.
  case wrongLength = 1
  /// A field holds a value outside its range.
  case invalidField = 2
}
