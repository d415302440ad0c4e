// What a session tells of its line when the status is asked for.

import DumpFormat

extension BoardSession {
  /// The dump that is on its way now.
  var transfer: BridgeStatus.Transfer? { conversation.transfer }

  /// What the line has carried since the bridge was started.
  var lineCounts: LineCounts { conversation.lineCounts }
}

extension BoardConversation {
  /// The dump that is on its way now.
  var transfer: BridgeStatus.Transfer? {
    guard stage != .disconnected, let partial else { return nil }
    let missing = partial.missing.ranges.reduce(0) { $0 + $1.count }
    return .init(
      dump: partial.identity.key.text, bytes: partial.bytes.count - missing,
      totalBytes: partial.bytes.count)
  }
}

/// What a line has carried, and what it has spoilt.
public struct LineCounts: Equatable, Sendable {
  /// Frames that arrived whole.
  public var frames = 0
  /// Frames whose checksum, length or form was wrong.
  public var damagedFrames = 0
  /// Requests that were sent again because no answer came.
  public var repeats = 0
  /// Bytes of console text.
  public var consoleBytes = 0
}
