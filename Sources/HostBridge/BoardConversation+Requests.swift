// Requests to the board: sent, repeated, given up.

import DumpFormat
import LinkProtocol

extension BoardConversation {
  /// Sends a request that is repeated until it is answered.
  func request(
    _ type: FrameType, now: Duration, payload: (inout FrameWriter) -> Void = { _ in }
  ) {
    // A newer request of a kind takes the place of an older one.
    requests.remove(type)
    let sequence = requests.nextSequence()
    let frame = hostFrame(type, sequence: sequence, payload: payload)
    requests.add(PendingRequest(type: type, frame: frame, now: now), sequence: sequence)
    send(frame, now: now)
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
      send(request.frame, now: now)
    }
  }

  /// Begins from the start: who is there?
  func search(now: Duration) {
    requests.removeAll()
    stage = .searching
    nextPoll = nil
    request(.who, now: now)
  }

  /// A boot agent leaves when the host is silent for 5 s.
  var needsKeepAlive: Bool {
    guard phase == .agent else { return false }
    switch stage {
    case .awaitingLease, .asking, .judging, .fetching, .storing, .receipting, .counting, .closing:
      return true
    case .disconnected, .searching, .welcoming, .leaving, .resting: return false
    }
  }

  func keepAlive(now: Duration) {
    guard needsKeepAlive, now >= lastSent + settings.keepAlive else { return }
    // Not repeated: the next one comes soon enough. Its answer brings a fresh HELLO.
    send(hostFrame(.who, sequence: requests.nextSequence()), now: now)
  }
}
