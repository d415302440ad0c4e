// A service that answers what the test tells it to.

import Foundation
import MartletTestKit
import ServiceAPI
import Synchronization

@testable import HostBridge

final class FakeService: ServiceClient {
  struct State {
    var leases: [LeaseRequest] = []
    var offers: [[OfferRequest.Offer]] = []
    var uploads: [DumpIdentity] = []
    /// Bytes by identity, once for each dump.
    var stored: [DumpIdentity: [UInt8]] = [:]
    var allowsDumps = true
    var leaseFailure: ServiceFailure?
    /// No call is ever answered.
    var isMute = false
    var offerFailure: ServiceFailure?
    var verdict: @Sendable (OfferRequest.Offer) -> OfferAnswer.Verdict = { _ in .send }
    /// Counts as they came, by device.
    var counts: [(device: String, counts: [CountRequest.Count])] = []
    var countFailure: ServiceFailure?
    /// Devices of each question how consent stands.
    var consentQuestions: [[String]] = []
    /// What it says of a device; there is consent unless told.
    var consent: @Sendable (String) -> ConsentAnswer.Consent = { _ in
      .init(isKnown: true, allowed: true, epoch: 1)
    }
    var consentFailure: ServiceFailure?
    /// Answers beyond it are missing.
    var mostConsents = Int.max
    /// Of the leases it gives.
    var epoch: UInt32 = 1
    var uploadFailure: @Sendable (DumpIdentity) -> ServiceFailure? = { _ in nil }
  }

  private let state = Mutex(State())
  private let authority = LeaseAuthority()
  private let onUpload: @Sendable (DumpIdentity) -> Void

  init(onUpload: @escaping @Sendable (DumpIdentity) -> Void = { _ in }) { self.onUpload = onUpload }

  var now: State { state.withLock { $0 } }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  /// Waits, for a mute service, until the caller gives up.
  private func think() async throws(ServiceFailure) {
    guard now.isMute else { return }
    let (silence, voice) = AsyncStream.makeStream(of: Never.self)
    for await _ in silence {}
    withExtendedLifetime(voice) {}
    throw .unreachable
  }

  func lease(device: String, _ request: LeaseRequest) async throws(ServiceFailure) -> LeaseAnswer {
    try await think()
    let (failure, isAllowed, epoch) = state.withLock { state in
      state.leases.append(request)
      return (state.leaseFailure, state.allowsDumps, state.epoch)
    }
    if let failure { throw failure }
    return LeaseAnswer(
      allowed: isAllowed, epoch: epoch, lifetimeSeconds: isAllowed ? 200 : 0,
      lease: Data(
        authority.lease(
          authority.terms(
            device: [UInt8](hexDigits: device) ?? [], nonce: [UInt8](request.nonce),
            allowed: isAllowed,
            epoch: epoch, lifetime: 200))))
  }

  func offer(device: String, _ request: OfferRequest) async throws(ServiceFailure) -> OfferAnswer {
    try await think()
    let (failure, verdict) = state.withLock { state in
      state.offers.append(request.offers)
      return (state.offerFailure, state.verdict)
    }
    if let failure { throw failure }
    return OfferAnswer(verdicts: request.offers.map(verdict))
  }

  func upload(
    _ identity: DumpIdentity, bytes: [UInt8]
  ) async throws(ServiceFailure) -> DumpReceipt {
    let failure = state.withLock { state in
      state.uploads.append(identity)
      return state.uploadFailure(identity)
    }
    if let failure { throw failure }
    state.withLock { $0.stored[identity] = bytes }
    onUpload(identity)
    return DumpReceipt(id: "stored-\(identity.key.text)")
  }

  func count(device: String, _ request: CountRequest) async throws(ServiceFailure) -> CountAnswer {
    let failure = state.withLock { state in
      state.counts.append((device, request.counts))
      return state.countFailure
    }
    if let failure { throw failure }
    return CountAnswer(stored: request.counts.count)
  }

  func consents(_ request: ConsentRequest) async throws(ServiceFailure) -> ConsentAnswer {
    let (failure, consent, most) = state.withLock { state in
      state.consentQuestions.append(request.devices)
      return (state.consentFailure, state.consent, state.mostConsents)
    }
    if let failure { throw failure }
    return ConsentAnswer(consents: request.devices.prefix(most).map(consent))
  }
}

/// Everything that was said, for tests to wait for and look at.
final class EventLog: Sendable {
  private let events = Mutex<[BridgeEvent]>([])
  private let stream: AsyncStream<BridgeEvent>
  private let input: AsyncStream<BridgeEvent>.Continuation

  init() { (stream, input) = AsyncStream.makeStream() }

  var sink: BridgeEventSink {
    { event in
      self.events.withLock { $0.append(event) }
      self.input.yield(event)
    }
  }

  var all: [BridgeEvent] { events.withLock { $0 } }
  func all(_ name: BridgeEvent.Name) -> [BridgeEvent] { all.filter { $0.event == name } }

  /// Waits until what was said so far is enough.
  func wait(until isEnough: ([BridgeEvent]) -> Bool) async {
    if isEnough(all) { return }
    for await _ in stream where isEnough(all) { return }
  }

  /// Waits for the next event of this name that was not waited for before.
  func next(_ name: BridgeEvent.Name) async -> BridgeEvent? {
    for await event in stream where event.event == name { return event }
    return nil
  }
}
