// Every request of the host and the board's answer to it, as docs/formats/link.md has them.

import BoardHAL
import BootAgent
import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct AgentAnswerTests {
  /// A board with a lease and `count` dumps of different fingerprints waiting.
  private func withDumps(_ count: UInt32) throws -> Bench {
    let bench = try Bench()
    for number in 0..<count {
      bench.boot()
      bench.give()
      bench.crash(makeFaultContext(pc: 0x1000 + number * 4))
    }
    bench.boot()
    bench.give()
    _ = bench.hear()
    return bench
  }

  private func refusal(_ frames: [BoardFrame]) -> Refused? {
    frames.last { $0.is(.refused) }.flatMap { frame in
      try? frame.payload.withUnsafeBytes { try Refused(decoding: $0) }
    }
  }

  private let first = DumpKey(bootCount: 0, sequence: 0)

  @Test func `WHO is answered with HELLO and the request's sequence`() throws {
    let bench = try Bench()
    bench.boot()
    bench.reboot(cause: .external)
    bench.crash()
    bench.boot()
    bench.board.send(bench.frame(.who, sequence: 0xA7))
    let frame = try #require(bench.poll().first)
    #expect(frame.is(.hello) && frame.sequence == 0xA7)
    let hello = try frame.payload.withUnsafeBytes { try Hello(decoding: $0) }
    #expect(hello.lowestVersion == 1 && hello.highestVersion == 1)
    #expect(hello.largestFrame == 1035)
    #expect(hello.bootCount == 3 && hello.resetCause == .fault)
    #expect(hello.buildID.bytes[0] == 0xB0 && hello.imageVersion[0] == UInt8(ascii: "1"))
    #expect(hello.leaseState == .suspended && hello.leaseSeconds == 0)
    #expect(hello.dumpsWaiting == 0 && hello.uncapturedCrashes == 1)
    #expect(hello.deviceID != DeviceID() && hello.nonce != LeaseNonce())
    #expect(hello.phase == .agent)
  }

  @Test func `frames that arrive together leave the lease valid while answers take time`() throws {
    let bench = try withDumps(1)
    bench.board.setClockStep(.milliseconds(1))
    bench.board.send(
      bench.frame(.who, sequence: 1)
        + bench.frame(.next, sequence: 2) { Next(after: first).append(to: &$0) }
        + bench.frame(.who, sequence: 3))
    let answers = bench.poll()
    #expect(answers.contains { $0.is(.offer) && $0.sequence == 2 })
    let last = try #require(answers.last { $0.is(.hello) && $0.sequence == 3 })
    #expect(try last.payload.withUnsafeBytes { try Hello(decoding: $0) }.leaseState == .allowed)
  }

  @Test func `the identity stays for life and the nonce changes with each boot and lease`() throws {
    let bench = try Bench()
    bench.boot()
    let one = try #require(bench.hello())
    #expect(bench.hello()?.nonce == one.nonce)
    bench.give()
    let two = try #require(bench.hello())
    bench.bootCold()
    let three = try #require(bench.hello())
    #expect(one.deviceID == two.deviceID && two.deviceID == three.deviceID)
    #expect(one.nonce != two.nonce && two.nonce != three.nonce && one.nonce != three.nonce)
  }

  @Test(arguments: EmulatedBoard.allTornStates, [false, true])
  func `an identity that was told once is never another`(torn: TornState, page: Bool) throws {
    // The record's last bytes are tried often: seldom do drifting bits read as they were meant.
    let record = 1 + 200
    let points = Array(1...300) + [Int](repeating: record, count: torn == .unstable ? 60 : 0)
    for (seed, point) in points.enumerated() {
      let bench = try Bench(.small(seed: UInt64(seed), ringSectors: 2))
      bench.board.injectPowerCut(at: point, torn: torn, wholePage: page)
      bench.boot()
      guard bench.board.state == .off else { continue }
      // Provisioned anew when the first time did not come to its end.
      bench.bootCold()
      let told = try #require(bench.hello()).deviceID
      #expect(told != DeviceID())
      for _ in 0..<4 {
        bench.bootCold()
        #expect(bench.hello()?.deviceID == told, "point \(point)")
      }
    }
  }

  @Test func `WELCOME sets the size of DATA and nothing else`() throws {
    let bench = try withDumps(1)
    let offer = try #require(bench.next())
    for (size, expected) in [(64, 64), (256, 256), (1035, 1035), (4096, 1035)] as [(UInt16, Int)] {
      let answer = bench.ask(.welcome) { Welcome(version: 1, largestFrame: size).append(to: &$0) }
      #expect(answer.map(\.type) == [FrameType.hello.rawValue])
      var frames = bench.ask(.fetch) {
        Fetch(key: offer.key, transfer: 1, offset: 0, length: offer.length).append(to: &$0)
      }
      for _ in 0..<100 { frames += bench.poll() }
      #expect(frames.map { $0.payload.count + 7 }.max() == expected)
      #expect(frames.flatMap { $0.payload.dropFirst(4) }.count == Int(offer.length))
    }
    for size in [0, 63, 4097, 65535] as [UInt16] {
      let answer = bench.ask(.welcome) { Welcome(version: 1, largestFrame: size).append(to: &$0) }
      #expect(refusal(answer) == Refused(request: 0x82, code: .malformed))
    }
    let other = bench.ask(.welcome) { Welcome(version: 2, largestFrame: 256).append(to: &$0) }
    #expect(refusal(other) == Refused(request: 0x82, code: .malformed))
  }

  @Test func `NEXT walks the dumps in key order and ends with NONE`() throws {
    let bench = try withDumps(3)
    var keys: [DumpKey] = []
    var after = first
    while let offer = bench.next(after: after) {
      keys.append(offer.key)
      after = offer.key
    }
    #expect(keys == (1...3).map { DumpKey(bootCount: $0, sequence: 1) })
    let none = bench.ask(.next) { Next(after: after).append(to: &$0) }
    #expect(none.map(\.type) == [FrameType.none.rawValue])
    // The same request has the same answer.
    let again = (0..<2).map { _ in bench.ask(.next) { Next(after: first).append(to: &$0) } }
    #expect(again[0].first?.payload == again[1].first?.payload)
  }

  @Test func `without a valid lease NEXT and FETCH are refused`() throws {
    let bench = try withDumps(1)
    let offer = try #require(bench.next())
    bench.board.advance(by: .seconds(172_800))
    let next = bench.ask(.next) { Next(after: first).append(to: &$0) }
    #expect(refusal(next) == Refused(request: 0x84, code: .noLease))
    let fetch = bench.ask(.fetch) {
      Fetch(key: offer.key, transfer: 1, offset: 0, length: 16).append(to: &$0)
    }
    #expect(refusal(fetch) == Refused(request: 0x85, code: .noLease))
    #expect(!fetch.contains { $0.is(.data) })
  }

  @Test func `a lease that ends in the middle of a transfer ends the transfer`() throws {
    let bench = try withDumps(1)
    let offer = try #require(bench.next())
    bench.ask(.go)
    let before = bench.ask(.fetch) {
      Fetch(key: offer.key, transfer: 1, offset: 0, length: offer.length).append(to: &$0)
    }
    #expect(before.filter { $0.is(.data) }.count == 1)
    bench.board.advance(by: .seconds(172_800))
    #expect(bench.poll(5).isEmpty)
    // A new lease does not go on by itself.
    bench.give()
    #expect(bench.poll(5).isEmpty)
  }

  @Test func `FETCH outside the dump or of no dump is refused`() throws {
    let bench = try withDumps(2)
    let offer = try #require(bench.next())
    func fetch(_ key: DumpKey, _ offset: UInt32, _ length: UInt32) -> RefusalCode? {
      refusal(
        bench.ask(.fetch) {
          Fetch(key: key, transfer: 1, offset: offset, length: length).append(to: &$0)
        })?.code
    }
    #expect(fetch(offer.key, 0, 0) == .outOfRange)
    #expect(fetch(offer.key, offer.length, 1) == .outOfRange)
    #expect(fetch(offer.key, offer.length - 1, 2) == .outOfRange)
    #expect(fetch(offer.key, 0xFF_FFFF, 0xFF_FFFF) == .outOfRange)
    #expect(fetch(offer.key, offer.length - 1, 1) == nil)
    #expect(fetch(DumpKey(bootCount: 99, sequence: 1), 0, 16) == .noSuchDump)
    #expect(fetch(first, 0, 16) == .noSuchDump)
    bench.receipt(offer.key)
    #expect(fetch(offer.key, 0, 16) == .noSuchDump)
  }

  @Test func `RECEIPT releases, keeps, and says what it did`() throws {
    let bench = try withDumps(3)
    let keys = (1...3).map { DumpKey(bootCount: $0, sequence: 1) } as [DumpKey]
    #expect(bench.receipt(keys[0], .notNow) == .done)
    #expect(bench.hello()?.dumpsWaiting == 3)
    #expect(bench.receipt(keys[0], .stored) == .done)
    #expect(bench.receipt(keys[0], .stored) == .done)
    #expect(bench.receipt(keys[0], .notNow) == .done)
    #expect(bench.receipt(keys[1], .notWanted) == .done)
    #expect(bench.hello()?.dumpsWaiting == 1)
    #expect(bench.next()?.key == keys[2])
    #expect(bench.receipt(DumpKey(bootCount: 50, sequence: 1)) == .noSuchDump)
    bench.board.inject(.programFails)
    #expect(bench.receipt(keys[2]) == .flashFailed)
    #expect(bench.receipt(keys[2]) == .done)
    bench.reboot()
    #expect(bench.hello()?.dumpsWaiting == 0)
  }

  @Test func `flash that cannot be read is said so`() throws {
    let bench = try withDumps(1)
    let next = Next(after: first)
    // The ring reads its eight slots, then the prologue.
    bench.board.inject(.readFails, atOperation: 9)
    let answer = bench.ask(.next) { next.append(to: &$0) }
    #expect(refusal(answer) == Refused(request: 0x84, code: .flashFailed))
    #expect(bench.next() != nil)
  }

  @Test func `requests of every wrong length are malformed`() throws {
    let bench = try withDumps(1)
    let sizes: [(FrameType, Int)] = [(.welcome, 3), (.next, 8), (.fetch, 15), (.receipt, 9)]
    for (type, size) in sizes {
      for length in 0...40 where length != size {
        let answer = bench.ask(type) { writer in
          for _ in 0..<length { writer.append(UInt8(1)) }
        }
        #expect(refusal(answer) == Refused(request: type.rawValue, code: .malformed))
      }
    }
    let verdict = bench.ask(.receipt) { writer in
      writer.append(first)
      writer.append(UInt8(4))
    }
    #expect(refusal(verdict)?.code == .malformed)
    #expect(bench.send(lease: [])?.refusal == .malformed)
  }

  @Test func `unknown frames and frames of boards are refused by their type`() throws {
    let bench = try Bench()
    bench.boot()
    for type in 0...255 as ClosedRange<UInt8> where !(0x81...0x89).contains(type) {
      bench.board.send(rawFrame(type))
      #expect(refusal(bench.poll()) == Refused(request: type, code: .unknownType), "\(type)")
    }
  }

  @Test func `a damaged request has no answer and the next one has`() throws {
    let bench = try Bench()
    bench.boot()
    let good = bench.frame(.who, sequence: 3)
    for bit in 8..<(good.count - 1) * 8 {
      var flipped = good
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      bench.board.send(flipped + bench.frame(.go, sequence: 4))
      let answers = bench.poll(2)
      #expect(answers.last { $0.is(.starting) } != nil, "bit \(bit)")
      #expect(!answers.contains { $0.is(.hello) && $0.sequence == 3 }, "bit \(bit)")
    }
  }

  @Test func `a board without flash answers, has no identity and keeps nothing`() throws {
    var configuration = EmulatedBoard.Configuration.small()
    configuration.flash = FlashGeometry()
    let bench = try Bench(configuration)
    bench.boot()
    let hello = try #require(bench.hello())
    #expect(hello.bootCount == 0 && hello.dumpsWaiting == 0)
    #expect(hello.deviceID == DeviceID())
    #expect(bench.give()?.refusal == .notProvisioned)
    #expect(refusal(bench.ask(.next) { Next(after: first).append(to: &$0) })?.code == .noLease)
    #expect(bench.receipt(first) == .noSuchDump)
    bench.crash()
    bench.boot()
    #expect(bench.hello()?.uncapturedCrashes == 1)
  }

  /// A frame of any type, known or not.
  private func rawFrame(_ type: UInt8) -> [UInt8] {
    var body: [UInt8] = [0x91, type, 1]
    let crc = body.withUnsafeBytes { CRC32C.checksum($0) }
    body += (0..<4).map { UInt8(truncatingIfNeeded: crc >> (8 * UInt32($0))) }
    var encoded: [UInt8] = [0, 1]
    var code = 1
    for byte in body {
      if byte == 0 {
        code = encoded.count
        encoded.append(1)
      } else {
        encoded.append(byte)
        encoded[code] += 1
      }
    }
    return encoded + [0]
  }
}
