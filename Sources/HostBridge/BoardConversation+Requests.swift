// Requests to the board: sent, repeated, given up.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Sends a request that is repeated until it is answered.
  ///
  /// - Parameter key: the dump it is about, when there may be one request of the type for each.
  func request(
    _ type: FrameType, about key: DumpKey? = nil, now: Duration,
    payload: (inout FrameWriter) -> Void = { _ in }
  ) {
    // A newer request of a kind takes the place of an older one.
    requests.remove(type, about: key)
    let sequence = requests.nextSequence()
    let frame = hostFrame(type, sequence: sequence, payload: payload)
    requests.add(
      PendingRequest(
        type: type, key: key, frame: frame,
        wait: type == .lease ? PendingRequest.thinkingTime : requestWait, now: now),
      sequence: sequence)
    send(frame, now: now)
  }

  /// How long an answer takes at most, as far as the line has shown: it may have to wait for a DATA
  /// frame in front of it.
  private var requestWait: Duration {
    guard let pace = fetchTimer.pace, let trip else { return FetchTimer.firstWait }
    return min(PendingRequest.longestWait, FetchTimer.slack + (trip + pace) * 2)
  }

  /// Learns from an answer how long one takes. Which of several questions it answers is not known.
  func noteTrip(_ sequence: UInt8, now: Duration) {
    // For a lease the board computes longer than the line takes.
    guard let request = requests.pending[sequence], request.attempts == 1, request.type != .lease
    else { return }
    trip = max(now - request.firstSent, (trip ?? .zero) * 7 / 8)
  }

  func repeatRequests(now: Duration) {
    for sequence in requests.overdue(now: now) {
      guard let request = requests.pending[sequence] else { continue }
      // WHO goes on for ever: there is nothing else to do with a board that does not answer.
      if request.type != .who, now - request.firstSent >= PendingRequest.patience {
        warn("the board did not answer \(request.type) in \(PendingRequest.patience)")
        search(now: now)
        return
      }
      requests.markRepeated(sequence, now: now)
      lineCounts.repeats += 1
      send(request.frame, now: now)
    }
  }

  /// Begins from the start: who is there?
  func search(now: Duration) {
    requests.removeAll()
    pass = DumpPass()
    stage = .searching
    nextPoll = nil
    request(.who, now: now)
  }

  /// A boot agent leaves when the host is silent for 5 s.
  var needsKeepAlive: Bool {
    guard phase == .agent else { return false }
    switch stage {
    case .awaitingLease, .forwarding, .counting, .settling, .closing, .uploading: return true
    case .disconnected, .searching, .welcoming, .leaving, .resting: return false
    }
  }

  func keepAlive(now: Duration) {
    guard needsKeepAlive, now >= lastSent + settings.keepAlive else { return }
    // Not repeated: the next one comes soon enough. Its answer brings a fresh HELLO.
    send(hostFrame(.who, sequence: requests.nextSequence()), now: now)
  }
}
