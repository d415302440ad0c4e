// The boards' consoles on disk: a file for each board, a time before each line.

import DumpFormat
import Foundation
import Synchronization

/// Console text of all boards, in files that are rotated by size.
///
/// A line of a file is a time (ISO 8601, UTC, milliseconds: when the line's first byte came), a mark
/// and the board's bytes as they came:
///
///     2026-01-31T09:15:00.250Z | ready, type help
///     2026-01-31T09:15:00.252Z ~ >
///     2026-01-31T09:15:07.004Z | help
///
/// `|` a whole line; `~` an unfinished one, which the next goes on with; `!` words of the bridge.
///
/// Writing is done on a thread of its own: a disk that is slow or full costs no board a frame. Text
/// that waits is bounded; what cannot be kept is counted, and the count is written as soon as the disk
/// takes it.
public final class ConsoleLog: Sendable {
  /// How much is kept of each board.
  public struct Limits: Sendable {
    /// Bytes of one file; a line is not split over two.
    public var fileBytes = 8 << 20
    /// Files of one board, the newest included.
    public var files = 4
    /// Bytes that may wait for the disk, of all boards together.
    public var waitingBytes = 16 << 20

    public init() {}
  }

  /// How the log is, for the status.
  public struct Report: Codable, Equatable, Sendable {
    public var folder: String
    /// What the disk says, when it does not take the text.
    public var problem: String?
    /// Since when.
    public var since: Date?
    /// Bytes of text that are in no file.
    public var lostBytes: Int
  }

  private struct Piece {
    var board: String
    var text: ConsoleText
  }

  private struct State {
    var pieces: [Piece] = []
    var waiting = 0
    var isWriting = false
    /// Bytes dropped because too many waited, by board; written down at the next chance.
    var dropped: [String: Int] = [:]
    var report: Report
  }

  private let folder: String
  private let limits: Limits
  private let state: Mutex<State>
  /// The only place where files are touched.
  private let disk: DispatchQueue
  private let files: ConsoleLogFiles
  private let complain: @Sendable (String) -> Void

  /// Makes the folder when it is missing, for this user and their group.
  ///
  /// - Parameter complain: told once each time that the disk begins to fail, from a thread of the log.
  /// - Throws: ``HostBridgeError`` with code `invalidSetting`.
  public init(
    folder: String, limits: Limits = Limits(),
    complain: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(HostBridgeError) {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
    } catch {
      throw HostBridgeError(
        code: .invalidSetting,
        message: "cannot keep consoles in \(folder): \(error.localizedDescription)",
        remedy: "Name a folder that this user may make or write, with --console-log.")
    }
    self.folder = folder
    self.limits = limits
    self.complain = complain
    state = Mutex(State(report: Report(folder: folder, lostBytes: 0)))
    disk = DispatchQueue(label: "console-log")
    files = ConsoleLogFiles(folder: folder, limits: limits)
  }

  /// How the log is now.
  public var report: Report { state.withLock { $0.report } }

  /// Where the newest text of a board is.
  public func path(of board: String) -> String { folder + "/" + Self.fileName(of: board) }

  /// Takes text of a board. Returns at once.
  public func write(_ text: ConsoleText, of board: String) {
    guard !text.bytes.isEmpty else { return }
    let mustStart = state.withLock { state in
      guard state.waiting + text.bytes.count <= limits.waitingBytes else {
        state.dropped[board, default: 0] += text.bytes.count
        state.report.lostBytes += text.bytes.count
        return false
      }
      state.waiting += text.bytes.count
      state.pieces.append(Piece(board: board, text: text))
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if mustStart { disk.async { self.drain() } }
  }

  /// Returns when all that was taken before is with the system, or lost; or after `limit`.
  public func flush(within limit: Duration = .seconds(20)) async {
    await disk.finish(within: limit)
  }

  // MARK: - On the disk's thread

  private func drain() {
    while true {
      let (pieces, dropped) = state.withLock { state in
        defer {
          state.pieces = []
          state.dropped = [:]
          state.waiting = 0
        }
        if state.pieces.isEmpty { state.isWriting = false }
        return (state.pieces, state.dropped)
      }
      if pieces.isEmpty { return }
      for piece in pieces { write(piece) }
      for (board, count) in dropped {
        files.note(lost: count, of: Self.fileName(of: board), words: "the disk is too slow")
      }
    }
  }

  private func write(_ piece: Piece) {
    let name = Self.fileName(of: piece.board)
    let failure = files.append(piece.text, to: name)
    let words: String? = state.withLock { state in
      guard let failure else {
        state.report.problem = nil
        state.report.since = nil
        return nil
      }
      state.report.lostBytes += failure.lostBytes
      let isNew = state.report.problem != failure.words
      if isNew { state.report.since = Date() }
      state.report.problem = failure.words
      return isNew ? failure.words : nil
    }
    if let words { complain("console text is not logged: \(words)") }
  }

  /// A name that is safe in every folder and no other board's: what is not a letter, a digit, a dot, a
  /// dash or an underscore becomes a dash, and the address's checksum tells apart what looks alike.
  static func fileName(of board: String) -> String {
    let safe = board.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"):
        byte
      default: UInt8(ascii: "-")
      }
    }
    let words = safe.split(separator: UInt8(ascii: "-")).joined(separator: [UInt8(ascii: "-")])
    let stem = String(decoding: words.suffix(80).drop { $0 == UInt8(ascii: ".") }, as: UTF8.self)
    let sum = String(Array(board.utf8).withUnsafeBytes { CRC32C.checksum($0) }, radix: 16)
    return "\(stem)-\(String(repeating: "0", count: 8 - sum.count))\(sum).log"
  }
}
