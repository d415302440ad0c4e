// How the board answers each frame of the host (docs/formats/link.md).

import BoardHAL
import ConsentLease
import CrashCapture
import DumpFormat
import DumpRing
import DumpSealing
import LinkProtocol

extension BootAgent {
  /// Answers one frame. Every request may come twice: the answer is the same.
  mutating func answer(_ frame: Frame) {
    let sequence = frame.sequence
    var code = RefusalCode.unknownType
    do throws(LinkError) {
      switch FrameType(rawValue: frame.type) {
      case .who:
        refreshNonce()
        sendHello(sequence)
      case .welcome:
        let welcome = try Welcome(decoding: frame.payload)
        guard welcome.version == linkProtocolVersion else { throw .invalidField }
        largestFrame = min(Int(welcome.largestFrame), LinkPort.largestSent)
        sendHello(sequence)
      case .lease: take(frame)
      case .next: code = answerNext(try Next(decoding: frame.payload), sequence)
      case .fetch: code = answerFetch(try Fetch(decoding: frame.payload))
      case .tally: code = answerTally(try TallyRequest(decoding: frame.payload), sequence)
      case .receipt: answerReceipt(try Receipt(decoding: frame.payload), sequence)
      case .provision:
        code = answerProvision(try Provision(decoding: frame.payload), sequence)
        KeyTraces.erase()
      case .go:
        if phase == .agent { start(.hostSaidGo, sequence) } else { sendStarting(sequence) }
      default: refuse(frame, code)
      }
      // A code that an answer left as it was stands for none.
      if code != .unknownType { refuse(frame, code) }
    } catch {
      refuse(frame, .malformed)
    }
  }

  /// Says who the board is and what it holds.
  mutating func sendHello(_ sequence: UInt8) {
    let now = halMonotonicMicroseconds()
    withUnsafeMutablePointer(to: &hello.buildID) { halImage().describe($0) }
    hello.leaseState = gate.state(at: now)
    hello.leaseSeconds = gate.secondsLeft(at: now)
    hello.dumpsWaiting = UInt16(truncatingIfNeeded: ring?.count(.waiting) ?? 0)
    hello.uncapturedCrashes = gate.uncapturedCrashes
    hello.phase = phase
    var frame = port.begin(.hello, sequence)
    hello.append(to: &frame)
    port.send(&frame)
  }

  /// Says that the application starts, or that it runs already.
  func sendStarting(_ sequence: UInt8) {
    var frame = port.begin(.starting, sequence)
    frame.append(startReason.rawValue)
    port.send(&frame)
  }

  /// Sends one DATA frame of what was fetched.
  mutating func sendFetched() {
    let content = largestFrame - FrameLimit.overhead - FrameLimit.dataPreamble
    guard let ring, let range = transfer.take(UInt32(content)) else { return }
    let slot = ring.slot(range.slot)
    // The lease may have ended in the middle of the transfer, or the dump gone.
    guard isOpen, slot.state == .waiting, slot.key == range.key else {
      transfer.clear()
      return
    }
    var frame = port.begin(.data, 0)
    frame.append(range.transfer)
    frame.append24(range.position)
    let length = range.end - range.position
    guard let place = frame.reserve(Int(length)) else { return }
    do throws(FlashError) {
      var done: UInt32 = 0
      while done < length {
        // At 3 Mbaud a FIFO of 16 bytes is full before a kibibyte is read.
        let run = min(length &- done, Self.bytesPerRead)
        try ring.read(range.slot, at: range.position &+ done, place + Int(done), count: run)
        done &+= run
        port.listen()
      }
      port.send(&frame)
    } catch {
      transfer.clear()
    }
  }

  /// Whether consent is given now.
  var isOpen: Bool { gate.state(at: halMonotonicMicroseconds()) == .allowed }

  private func refuse(_ frame: Frame, _ code: RefusalCode) {
    var answer = port.begin(.refused, frame.sequence)
    answer.append(frame.type)
    answer.append(code.rawValue)
    port.send(&answer)
  }

  /// The answers below give the refusal to send, ``RefusalCode/unknownType`` when there is none.
  private func answerNext(_ next: Next, _ sequence: UInt8) -> RefusalCode {
    guard isOpen else { return .noLease }
    do throws(FlashError) {
      guard let ring, let slot = try ring.next(after: next.after) else {
        sendNone(sequence)
        return .unknownType
      }
      var frame = port.begin(.offer, sequence)
      frame.append(ring.slot(slot).key)
      frame.append(ring.slot(slot).dumpLength)
      if let place = frame.reserve(DumpPrologue.size) {
        try ring.read(slot, at: 0, place, count: UInt32(DumpPrologue.size))
      }
      port.send(&frame)
    } catch {
      return .flashFailed
    }
    return .unknownType
  }

  private func sendNone(_ sequence: UInt8) {
    var frame = port.begin(.none, sequence)
    port.send(&frame)
  }

  private mutating func answerFetch(_ fetch: Fetch) -> RefusalCode {
    guard isOpen else { return .noLease }
    // What was never offered was never proved.
    guard let ring, let index = ring.find(fetch.key), ring.slot(index).state == .waiting,
      ring.slot(index).isVerified
    else { return .noSuchDump }
    let length = ring.slot(index).dumpLength
    guard fetch.length > 0, fetch.offset < length, fetch.length <= length - fetch.offset else {
      return .outOfRange
    }
    transfer.add(
      FetchedRange(
        slot: index, key: fetch.key, transfer: fetch.transfer, position: fetch.offset,
        end: fetch.offset + fetch.length))
    return .unknownType
  }

  private func answerReceipt(_ receipt: Receipt, _ sequence: UInt8) {
    var status = DoneStatus.done
    if let ring, let index = ring.find(receipt.key) {
      if receipt.verdict != .notNow {
        do throws(FlashError) {
          try ring.release(index)
        } catch {
          status = .flashFailed
        }
      }
    } else {
      status = .noSuchDump
    }
    var frame = port.begin(.done, sequence)
    frame.append(receipt.key)
    frame.append(status.rawValue)
    port.send(&frame)
  }

  private func answerTally(_ request: TallyRequest, _ sequence: UInt8) -> RefusalCode {
    guard isOpen else { return .noLease }
    var record = InlineArray<16, UInt32>(repeating: 0)
    withUnsafeMutablePointer(to: &record) { pointer in
      guard let log, let found = log.nextCrash(after: UInt32(request.position), pointer) else {
        sendNone(sequence)
        return
      }
      var count = CrashCount(record: pointer, total: found.total)
      count.nextPosition = UInt16(truncatingIfNeeded: found.position)
      if let last = LastCrash.find(count.fingerprint) {
        count.lastBoot = last.boot
        count.lastUptime = last.uptime
      } else if count.count > 1 {
        count.lastUptime = CrashCount.unknownUptime
      }
      var frame = port.begin(.count, sequence)
      count.append(to: &frame)
      port.send(&frame)
    }
    return .unknownType
  }
}

extension CrashCount {
  /// What a record of the state log says.
  fileprivate init(record: UnsafeRawPointer, total: UInt32) {
    self.init(
      nextPosition: 0,
      fingerprint: Fingerprint(rawValue: record.load64(at: StateLog.At.fingerprint)),
      firstBoot: record.load32(at: StateLog.At.firstBoot),
      firstUptime: record.load32(at: StateLog.At.firstUptime),
      lastBoot: record.load32(at: StateLog.At.lastBoot),
      lastUptime: record.load32(at: StateLog.At.lastUptime), count: total)
  }
}
