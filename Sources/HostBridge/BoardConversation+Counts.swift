// Crash counts, once for each boot: crashes that left no dump are known by them alone.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Counts read in one visit at most. A board holds far fewer; one that never ends is left alone.
  static let mostCounts = 1_024

  /// Reads the counts when those of this boot have not been read yet, and closes the visit then.
  ///
  /// Counts change when a board crashes, which begins a new boot.
  func readCounts(now: Duration) {
    guard boardMayForward, let hello, countedBoot != hello.bootCount else {
      closePass(now: now)
      return
    }
    counts = []
    askCount(at: 0, now: now)
  }

  private func askCount(at position: UInt16, now: Duration) {
    stage = .counting(position)
    request(.tally, now: now) { frame in TallyRequest(position: position).append(to: &frame) }
  }

  func receiveCount(_ frame: Frame, now: Duration) {
    guard requests.take(frame.sequence, .tally) != nil, case .counting(let position) = stage else {
      return
    }
    do throws(LinkError) {
      let count = try CrashCount(decoding: frame.payload)
      guard count.nextPosition > position, counts.count < Self.mostCounts else {
        throw .invalidField
      }
      counts.append(count)
      askCount(at: count.nextPosition, now: now)
    } catch {
      // What came so far is true all the same.
      warn("the board's crash counts cannot be read to their end: \(error)")
      endCounts(now: now)
    }
  }

  /// The last count was read, or the board keeps none.
  func endCounts(now: Duration) {
    guard case .counting = stage else { return }
    countedBoot = hello?.bootCount
    if !counts.isEmpty { actions.append(.counted(device: deviceID, counts)) }
    counts = []
    closePass(now: now)
  }

  func refuseCount(_ code: RefusalCode, now: Duration) {
    switch code {
    case .unknownType:
      // An older board; its next boot may be a newer image.
      endCounts(now: now)
    case .noLease:
      closePass(now: now)
    case .malformed, .noSuchDump, .outOfRange, .flashFailed, .otherService:
      warn("the board cannot say how often it crashed: \(code)")
      closePass(now: now)
    }
  }

  /// The counts of ``ConversationAction/counted(device:_:)`` could not be kept: they are read again
  /// at the next visit.
  public func countsLost() { countedBoot = nil }
}
