// How the spool is: for the status, in a word and in a sentence.

import Foundation

/// The state of the spool as people and programs are told it.
public struct SpoolCondition: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, Sendable {
    /// Dumps are taken.
    case ok
    /// Dumps are taken; nine tenths of the byte limit are used.
    case nearlyFull
    /// The byte limit is reached: to take a dump another one is given up, or the board keeps its own.
    case full
    /// The disk has no room. Boards keep their dumps; what is here still goes to the service.
    case diskFull
    /// The disk cannot be written. Boards keep their dumps.
    case readOnly
    /// The database fails otherwise. Boards keep their dumps.
    case failing
  }

  public var kind: Kind
  /// What it means and what to do, for people. Empty when all is well.
  public var words: String
  /// Since when it is of this kind.
  public var since: Date

  public init(kind: Kind, words: String, since: Date) {
    self.kind = kind
    self.words = words
    self.since = since
  }

  /// Whether the disk or the database keeps the spool from taking anything.
  public var isTrouble: Bool {
    switch kind {
    case .ok, .nearlyFull, .full: false
    case .diskFull, .readOnly, .failing: true
    }
  }
}

/// What the spool holds, and how it is.
public struct SpoolReport: Codable, Equatable, Sendable {
  public var condition: SpoolCondition
  /// Dumps that wait for the service.
  public var waiting: Int
  /// Dumps that the service will never take, kept aside.
  public var rejected: Int
  /// Bytes of all of them.
  public var bytes: Int
  public var byteLimit: Int
  /// How long the oldest has been here, seconds; `nil` when none is.
  public var oldestAgeSeconds: Double?
  public var ageLimitSeconds: Double
}

/// Keeps the condition by what succeeds and what fails.
struct SpoolHealth: Sendable {
  private(set) var condition: SpoolCondition
  private var trouble: (kind: SpoolCondition.Kind, words: String)?
  private var held = 0
  /// The limit was met since the spool was last below nine tenths of it.
  private var hasMetLimit = false
  private let limit: Int

  init(limit: Int, now: Date) {
    self.limit = limit
    condition = SpoolCondition(kind: .ok, words: "", since: now)
  }

  /// A write failed.
  mutating func failed(_ kind: SpoolCondition.Kind, _ words: String, now: Date) {
    trouble = (kind, words)
    update(now)
  }

  /// A write of something new succeeded.
  mutating func recovered(now: Date) {
    trouble = nil
    update(now)
  }

  /// So many bytes are held.
  mutating func holds(_ bytes: Int, now: Date) {
    held = bytes
    if !isNearlyFull { hasMetLimit = false }
    update(now)
  }

  /// A dump could be taken only by giving up another, or not at all.
  mutating func metLimit(now: Date) {
    hasMetLimit = true
    update(now)
  }

  private var isNearlyFull: Bool { held >= limit - limit / 10 }

  private mutating func update(_ now: Date) {
    let (kind, words) = trouble ?? filling
    condition = SpoolCondition(
      kind: kind, words: words, since: kind == condition.kind ? condition.since : now)
  }

  private var filling: (SpoolCondition.Kind, String) {
    let share = "\(held) of \(limit) bytes are used"
    if hasMetLimit {
      return (
        .full,
        "\(share): surplus and old dumps give way to new ones until the service takes them; a larger"
          + " --spool-limit keeps more"
      )
    }
    return isNearlyFull ? (.nearlyFull, "\(share); it empties when the service answers") : (.ok, "")
  }
}
