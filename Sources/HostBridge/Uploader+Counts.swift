// Takes crash counts from the spool to the service.

import ServiceAPI

extension Uploader {
  /// Sends a batch of counts.
  func send(
    _ counts: [SpooledCount], of device: String
  ) async throws(HostBridgeError) -> Step {
    do throws(ServiceFailure) {
      _ = try await service.count(device: device, CountRequest(counts: counts))
    } catch {
      return try await settle(counts, of: device, after: error)
    }
    try await spool.settle(counts, of: device)
    log.info("the service counts the crashes of \(counts.count) fingerprints of this device")
    events(BridgeEvent(.countsUploaded, device: device).with { $0.count = counts.count })
    return .done
  }

  /// Decides by the service's answer whether counts go, stay or are given up.
  private func settle(
    _ counts: [SpooledCount], of device: String, after failure: ServiceFailure
  ) async throws(HostBridgeError) -> Step {
    switch failure.status {
    case 403 where failure.isConsentRefusal:
      try await spool.purgeCounts(of: device)
      log.warning("purged the crash counts of \(device.prefix(12)): \(failure.message)")
    case 400, 413, 422:
      // The same counts would be answered the same way for ever; larger ones are tried.
      try await spool.settle(counts, of: device)
      log.error("the service will not take crash counts of \(device.prefix(12)): \(failure)")
    default:
      return .later(failure)
    }
    events(
      BridgeEvent(.countsRefused, device: device).with {
        $0.count = counts.count
        $0.reason = "\(failure)"
      })
    return .done
  }
}
