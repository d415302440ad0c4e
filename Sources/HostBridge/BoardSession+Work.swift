// What takes time: the service's answer about consent, and the spool's disk.

import ConsentLease
import DumpFormat
import Foundation
import LinkProtocol
import ServiceAPI

extension BoardSession {
  func work(on job: Job) async {
    switch job {
    case .lease(let wish): await fetchLease(wish)
    case .judge(let identity, let prologue, let bytes):
      let judgement = await judge(identity, prologue, bytes)
      perform(conversation.judged(identity, judgement, now: parts.clock.now))
    case .store(let identity, let prologue, let bytes):
      let verdict = await store(identity, prologue, bytes)
      perform(conversation.settled(identity, verdict, now: parts.clock.now))
    case .keep(let device, let counts): await keep(counts, of: device)
    case .upload(let dumps): await awaitUpload(of: dumps)
    }
  }

  // MARK: - Consent

  /// Asks the service, and again when the board has a newer nonce by then.
  private func fetchLease(_ first: LeaseWish) async {
    defer { isAskingForLease = false }
    var wish: LeaseWish? = first
    while let current = wish {
      nextWish = nil
      await fetchOneLease(current)
      wish = nextWish
    }
  }

  private func fetchOneLease(_ wish: LeaseWish) async {
    let request = LeaseRequest(
      nonce: Data(wish.nonce), buildId: wish.buildID, imageVersion: wish.imageVersion,
      bootCount: wish.bootCount, uncapturedCrashes: wish.uncapturedCrashes)
    do throws(ServiceFailure) {
      let answer = try await parts.service.lease(device: wish.device, request)
      consent = DeviceConsent(
        device: wish.device, epoch: answer.epoch, isAllowed: answer.allowed)
      await purge()
      perform(
        conversation.leaseIssued(
          Array(answer.lease), nonce: wish.nonce, allowed: answer.allowed, now: parts.clock.now))
    } catch {
      if Task.isCancelled { return }
      noteMissing(error, device: wish.device)
      perform(conversation.leaseUnavailable(nonce: wish.nonce, now: parts.clock.now))
    }
  }

  /// What is held of the device without the consent that holds now goes.
  private func purge() async {
    guard let consent else { return }
    do throws(HostBridgeError) {
      let purged = try await parts.spool.purge(
        device: consent.device, exceptEpoch: consent.isAllowed ? consent.epoch : nil)
      guard !purged.keys.isEmpty else { return }
      log.warning("\(purged.words(device: consent.device, epoch: consent.epoch))")
      emit(purged.event(device: consent.device))
    } catch {
      warn("consent was revoked, but the spool could not be purged: \(error)")
    }
  }

  // MARK: - Dumps

  private func judge(
    _ identity: DumpIdentity, _ prologue: DumpPrologue, _ bytes: [UInt8]
  ) async -> OfferJudgement {
    // The board's gate and the service's hold the same against it.
    guard prologue.header.encoding == .sealed else {
      refuse(identity, prologue, .notSealed, "it is not sealed, and nothing else is forwarded")
      return .settled(.notWanted)
    }
    guard consent?.excludes(identity, prologue) != true else {
      refuse(identity, prologue, .noConsent, "its consent was revoked after it was taken")
      return .settled(.notWanted)
    }
    do throws(HostBridgeError) {
      switch try await parts.spool.standing(
        of: identity, prologue: bytes, size: prologue.totalLength)
      {
      case .unknown: return .wanted
      case .known(.purged):
        refuse(identity, prologue, .noConsent, "its consent was revoked after it was taken")
        return .settled(.notWanted)
      case .known(.evicted):
        refuse(
          identity, prologue, .spoolFull,
          "it was given up here for newer dumps, and there is no room yet")
        return .settled(.notNow)
      case .known(.expired):
        refuse(identity, prologue, .expired, "it was kept for as long as crash data may be")
        return .settled(.notWanted)
      case .known(.stored), .known(.uploaded), .known(.rejected), .known(.skipped):
        return .settled(.stored)
      case .conflict:
        refuse(identity, prologue, .conflict, Self.conflictWords)
        return .settled(.notNow)
      }
    } catch {
      refuse(identity, prologue, .spoolFailed, "\(error)")
      return .settled(.notNow)
    }
  }

  private func store(
    _ identity: DumpIdentity, _ prologue: DumpPrologue, _ bytes: [UInt8]
  ) async -> ReceiptVerdict {
    do throws(HostBridgeError) {
      switch try await parts.spool.store(identity, prologue: prologue, bytes: bytes) {
      case .stored:
        // Consent was revoked while the dump was on its way to the disk, behind the purge.
        guard consent?.excludes(identity, prologue) != true else {
          await purge()
          return .notWanted
        }
        log.info("spooled dump \(identity.key.text), \(bytes.count) B")
        emit(.dumpSpooled, identity, prologue)
        parts.uploader.wake()
        return .stored
      case .full:
        refuse(
          identity, prologue, .spoolFull,
          "the spool is full, and this dump would be the next to be given up; it stays on the board"
        )
        return .notNow
      case .conflict:
        refuse(identity, prologue, .conflict, Self.conflictWords)
        return .notNow
      }
    } catch {
      refuse(identity, prologue, .spoolFailed, "\(error)")
      return .notNow
    }
  }

  /// Returns when the service has the dumps or will not take them, or when the line goes away.
  private func awaitUpload(of dumps: [DumpIdentity]) async {
    do throws(HostBridgeError) {
      try await parts.spool.settled(dumps)
    } catch {
      // The conversation's own patience lets the board go.
      if !Task.isCancelled { warn("the upload cannot be followed: \(error)") }
      return
    }
    perform(conversation.uploaded(dumps, now: parts.clock.now))
  }

  // MARK: - Counts

  private func keep(_ counts: [CrashCount], of device: String) async {
    do throws(HostBridgeError) {
      let news = try await parts.spool.keep(counts.map(SpooledCount.init), of: device)
      guard !news.isEmpty else { return }
      parts.uploader.wake()
      for count in news {
        log.info(
          """
          \(count.count) crashes of fingerprint \(count.fingerprint), boot \(count.firstBoot) to \
          \(count.lastBoot)
          """)
        emit(.crashCounted) {
          $0.fingerprint = count.fingerprint
          $0.count = Int(count.count)
          $0.firstBoot = count.firstBoot
          $0.lastBoot = count.lastBoot
        }
      }
    } catch {
      conversation.countsLost()
      // The line went away in the middle; the board keeps its counts.
      if Task.isCancelled { return }
      warn("the board's crash counts are not kept: \(error)")
    }
  }

  private static let conflictWords =
    "another dump of this device had the same boot count and sequence: was its flash replaced?"

  private func refuse(
    _ identity: DumpIdentity, _ prologue: DumpPrologue, _ cause: BridgeEvent.Cause,
    _ reason: String
  ) {
    // The line went away in the middle; the board will offer the dump again.
    if Task.isCancelled { return }
    log.warning("dump \(identity.key.text) is not taken: \(reason)")
    emit(.dumpRefused, identity, prologue) {
      $0.cause = cause
      $0.reason = reason
    }
  }
}
