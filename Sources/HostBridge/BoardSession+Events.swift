// What a session says about its board, to programs and to the log.

import ConsentLease
import DumpFormat
import LinkProtocol

extension BoardSession {
  func emit(_ name: BridgeEvent.Name, _ change: (inout BridgeEvent) -> Void = { _ in }) {
    parts.events(BridgeEvent(name, board: "\(address)", device: device).with(change))
  }

  /// Passes on an event that others made.
  func emit(_ event: BridgeEvent) { parts.events(event.with { $0.board = "\(address)" }) }

  func emit(
    _ name: BridgeEvent.Name, _ identity: DumpIdentity, _ prologue: DumpPrologue,
    _ change: (inout BridgeEvent) -> Void = { _ in }
  ) {
    emit(name) {
      $0.dump = identity.key.text
      $0.fingerprint = prologue.header.fingerprint.hexDigits
      $0.kind = "\(prologue.header.kind)"
      $0.size = prologue.totalLength
      $0.occurrences = prologue.header.occurrences
      change(&$0)
    }
  }

  func warn(_ text: String) {
    log.warning("\(text)")
    emit(.warning) { $0.text = text }
  }

  func note(_ hello: Hello) {
    device = hello.deviceID.text
    emit(.boardHello) {
      $0.buildId = hello.buildID.hexDigits
      $0.imageVersion = hello.imageVersionText
      $0.bootCount = hello.bootCount
      $0.resetCause = "\(hello.resetCause)"
      $0.leaseState = "\(hello.leaseState)"
      $0.leaseSeconds = hello.leaseSeconds
      $0.dumpsWaiting = Int(hello.dumpsWaiting)
      $0.uncapturedCrashes = hello.uncapturedCrashes
      $0.phase = "\(hello.phase)"
    }
    guard announcedBoot != hello.bootCount else { return }
    announcedBoot = hello.bootCount
    log.info(
      """
      device \(hello.deviceID.text.prefix(12)), image \(hello.imageVersionText), boot \
      \(hello.bootCount) after \(hello.resetCause), lease \(hello.leaseState), \
      \(hello.dumpsWaiting) dumps waiting, \(hello.uncapturedCrashes) crashes not captured
      """)
  }
}
