// How the board answers each frame of the host (docs/formats/link.md).

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import LinkProtocol

extension BootAgent {
  /// Answers one frame. Every request may come twice: the answer is the same.
  mutating func answer(_ frame: Frame, at now: UInt64) {
    let sequence = frame.sequence
    guard let type = FrameType(rawValue: frame.type) else {
      refuse(frame, .unknownType)
      return
    }
    do throws(LinkError) {
      switch type {
      case .who: sendHello(sequence: sequence)
      case .welcome:
        let welcome = try Welcome(decoding: frame.payload)
        guard welcome.version == linkProtocolVersion else { throw .invalidField }
        largestFrame = welcome.largestFrame
        sendHello(sequence: sequence)
      case .lease: take(frame, at: now)
      case .next: try answerNext(frame, at: now)
      case .fetch: try answerFetch(frame, at: now)
      case .receipt: try answerReceipt(frame)
      case .go:
        if phase == .agent {
          start(.hostSaidGo, sequence: sequence)
        } else {
          sendStarting(sequence: sequence)
        }
      case .hello, .offer, .none, .data, .leaseStatus, .done, .starting, .refused, .count, .tally:
        refuse(frame, .unknownType)
      }
    } catch {
      refuse(frame, .malformed)
    }
  }

  /// Says who the board is and what it holds.
  func sendHello(sequence: UInt8) {
    let now = halMonotonicMicroseconds()
    var hello = Hello()
    hello.largestFrame = UInt16(LinkPort.largestSent)
    hello.deviceID = deviceID
    var header = DumpHeader(kind: .crash, key: DumpKey(bootCount: 0, sequence: 0))
    header.describe(image: halImage())
    hello.buildID = header.buildID
    hello.imageVersion = header.version
    hello.bootCount = bootCount
    hello.resetCause = .current
    hello.leaseState = gate.state(at: now)
    hello.leaseSeconds = gate.secondsLeft(at: now)
    hello.nonce = nonce
    hello.dumpsWaiting = ring?.countWaiting() ?? 0
    hello.uncapturedCrashes = gate.uncapturedCrashes
    hello.phase = phase
    port.send(.hello, sequence: sequence) { hello.append(to: &$0) }
  }

  /// Says that the application starts, or that it runs already.
  func sendStarting(sequence: UInt8) {
    port.send(.starting, sequence: sequence) { Starting(reason: startReason).append(to: &$0) }
  }

  /// Sends one DATA frame of what was fetched.
  mutating func sendFetched() {
    let limit = min(Int(largestFrame), LinkPort.largestSent)
    let content = UInt32(limit - FrameLimit.overhead - FrameLimit.dataPreamble)
    guard let ring, let (range, length) = transfer.take(content) else { return }
    guard gate.state(at: halMonotonicMicroseconds()) == .allowed else {
      // The lease ended in the middle of the transfer.
      transfer.clear()
      return
    }
    var chunk = InlineArray<16, UInt32>(repeating: 0)
    var failed = false
    port.send(.data, sequence: 0) { writer in
      writer.append(range.transfer)
      writer.append24(range.position)
      var done: UInt32 = 0
      while done < length, !failed {
        let run = min(length - done, 64)
        withUnsafeMutablePointer(to: &chunk) { pointer in
          let bytes = UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(pointer), count: Int(run))
          do throws(FlashError) {
            try ring.read(range.slot, at: range.position + done, into: bytes)
            writer.append(UnsafeRawBufferPointer(bytes))
          } catch {
            failed = true
          }
        }
        done += run
      }
    }
    if failed { transfer.clear() }
  }

  private func refuse(_ frame: Frame, _ code: RefusalCode) {
    port.send(.refused, sequence: frame.sequence) {
      Refused(request: frame.type, code: code).append(to: &$0)
    }
  }

  private mutating func take(_ frame: Frame, at now: UInt64) {
    var refusal = LeaseRefusal.accepted
    do throws(LeaseRefusal) {
      let lease = try Lease(decoding: frame.payload)
      // A host that missed the answer repeats the request: the answer is the same, the lease is not
      // taken twice. The lease ends with its checksum; one over all of it would be a constant.
      let check = frame.payload.baseAddress?.load32(at: frame.payload.count - 4)
      if check != lastLease {
        try take(lease, at: now)
        lastLease = check
      }
    } catch {
      refusal = error
    }
    let status = LeaseStatus(
      state: gate.state(at: now), refusal: refusal, secondsLeft: gate.secondsLeft(at: now))
    port.send(.leaseStatus, sequence: frame.sequence) { status.append(to: &$0) }
  }

  private mutating func take(_ lease: Lease, at now: UInt64) throws(LeaseRefusal) {
    // Zeros mean that the board has no entropy: it never asked with a nonce.
    guard nonce != LeaseNonce() else { throw .otherNonce }
    try gate.accept(lease, deviceID: deviceID.bytes, nonce: nonce.bytes, at: now)
    renewNonce()
    if !lease.isAllowed { dropDumps() }
  }

  /// Consent was denied: what was captured under it is given up.
  private mutating func dropDumps() {
    LeftDump().clear()
    transfer.clear()
    // What flash does not release does not leave either: the gate is closed for forwarding.
    ring?.releaseAll()
  }

  private func answerNext(_ frame: Frame, at now: UInt64) throws(LinkError) {
    let next = try Next(decoding: frame.payload)
    guard gate.state(at: now) == .allowed else {
      refuse(frame, .noLease)
      return
    }
    guard let ring, let slot = ring.next(after: next.after) else {
      port.send(.none, sequence: frame.sequence) { _ in }
      return
    }
    var prologue = InlineArray<32, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &prologue) { pointer in
      let bytes = UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(pointer), count: DumpPrologue.size)
      do throws(FlashError) {
        try ring.read(slot, at: 0, into: bytes)
      } catch {
        refuse(frame, .flashFailed)
        return
      }
      let offer = Offer(
        key: slot.key, totalLength: slot.dumpLength, prologue: UnsafeRawBufferPointer(bytes))
      port.send(.offer, sequence: frame.sequence) { offer.append(to: &$0) }
    }
  }

  private mutating func answerFetch(_ frame: Frame, at now: UInt64) throws(LinkError) {
    let fetch = try Fetch(decoding: frame.payload)
    guard gate.state(at: now) == .allowed else {
      refuse(frame, .noLease)
      return
    }
    guard let slot = ring?.find(fetch.key), slot.state == .waiting else {
      refuse(frame, .noSuchDump)
      return
    }
    guard fetch.length > 0, fetch.offset < slot.dumpLength,
      fetch.length <= slot.dumpLength - fetch.offset
    else {
      refuse(frame, .outOfRange)
      return
    }
    transfer.add(
      FetchedRange(
        slot: slot, transfer: fetch.transfer, position: fetch.offset,
        end: fetch.offset + fetch.length))
  }

  private func answerReceipt(_ frame: Frame) throws(LinkError) {
    let receipt = try Receipt(decoding: frame.payload)
    var status = DoneStatus.done
    if let ring, let slot = ring.find(receipt.key) {
      if receipt.verdict != .notNow, slot.state == .waiting {
        do throws(FlashError) {
          try ring.release(slot)
        } catch {
          status = .flashFailed
        }
      }
    } else {
      status = .noSuchDump
    }
    port.send(.done, sequence: frame.sequence) {
      Done(key: receipt.key, status: status).append(to: &$0)
    }
  }
}
