// Large ranges, and a host that does not wait: NEXT, FETCH and RECEIPT of several dumps at a time.

import BoardHAL
import BootAgent
import CrashCapture
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct WindowTests {
  private let first = DumpKey(bootCount: 0, sequence: 0)

  /// A board with a lease and three dumps of 50 KiB each waiting; frames hold 1 KiB.
  private func withDumps() throws -> (Bench, offers: [(key: DumpKey, length: UInt32)]) {
    let bench = try Bench(.small(ringSectors: 80), slotSize: 64 << 10)
    var generator = SeededGenerator.fromEnvironment()
    for number in 0..<3 as Range<UInt32> {
      bench.boot()
      bench.give()
      try bench.board.setMemory(at: 0x2000_1000, to: generator.bytes(50 << 10))
      bench.board.run { _ = CrashCapture.register(address: 0x2000_1000, length: 50 << 10, id: 1) }
      bench.crash(makeFaultContext(pc: 0x1000 + number * 4))
    }
    bench.boot()
    bench.board.setLineCapacity(toHost: 1 << 20, toBoard: 4096)
    bench.ask(.welcome) { Welcome(version: 1, largestFrame: 4096).append(to: &$0) }
    var offers: [(key: DumpKey, length: UInt32)] = []
    while let offer = bench.next(after: offers.last?.key ?? first) { offers.append(offer) }
    try #require(offers.count == 3 && offers.allSatisfy { $0.length > 50 << 10 })
    return (bench, offers)
  }

  private func fetch(
    _ bench: Bench, _ key: DumpKey, _ transfer: UInt8, _ range: Range<UInt32>
  ) -> [UInt8] {
    bench.frame(.fetch, sequence: 250) {
      Fetch(
        key: key, transfer: transfer, offset: range.lowerBound, length: UInt32(range.count)
      ).append(to: &$0)
    }
  }

  /// The content of a transfer's DATA frames, in the order in which they came.
  private func content(_ frames: [BoardFrame], _ transfer: UInt8) throws -> [UInt8] {
    var bytes: [UInt8] = []
    for frame in frames where frame.is(.data) {
      try frame.payload.withUnsafeBytes {
        let run = try DataRun(decoding: $0)
        if run.transfer == transfer { bytes += run.bytes }
      }
    }
    return bytes
  }

  private func isWhole(_ bytes: [UInt8], _ key: DumpKey) -> Bool {
    let prologue = bytes.withUnsafeBytes { try? DumpPrologue(verifyingDump: $0) }
    return prologue?.header.key == key
  }

  @Test func `a dump of 50 KiB comes in one range, and four such ranges are queued`() throws {
    let (bench, offers) = try withDumps()
    let (key, length) = offers[1]
    for _ in 0..<4 { bench.board.send(fetch(bench, key, 7, 0..<length)) }
    var frames: [BoardFrame] = []
    for _ in 0..<4 * 60 { frames += bench.poll() }
    #expect(frames.allSatisfy { $0.is(.data) })
    let bytes = try content(frames, 7)
    #expect(bytes.count == 4 * Int(length))
    for start in stride(from: 0, to: bytes.count, by: Int(length)) {
      #expect(isWhole(Array(bytes[start..<start + Int(length)]), key))
    }
  }

  @Test func `dumps are asked for, fetched and released in each other's midst`() throws {
    let (bench, offers) = try withDumps()
    var frames: [BoardFrame] = []
    // The first is half there: NEXT is asked for behind it.
    bench.board.send(fetch(bench, offers[0].key, 1, 0..<offers[0].length))
    frames += bench.poll(25)
    bench.board.send(
      bench.frame(.next, sequence: 1) { Next(after: offers[0].key).append(to: &$0) })
    let answers = bench.poll(1)
    #expect(answers.contains { $0.is(.offer) && $0.sequence == 1 }, "behind one DATA at most")
    frames += answers + bench.poll(40)
    // The second is fetched while the first one is not released yet; then its receipt comes.
    bench.board.send(fetch(bench, offers[1].key, 2, 0..<offers[1].length))
    frames += bench.poll(20)
    bench.board.send(
      bench.frame(.receipt, sequence: 2) {
        Receipt(key: offers[0].key, verdict: .stored).append(to: &$0)
      } + bench.frame(.next, sequence: 3) { Next(after: offers[1].key).append(to: &$0) })
    frames += bench.poll(50)
    // The third, with both receipts in its midst, the last one for itself.
    bench.board.send(fetch(bench, offers[2].key, 3, 0..<offers[2].length))
    frames += bench.poll(10)
    bench.board.send(
      bench.frame(.receipt, sequence: 4) {
        Receipt(key: offers[1].key, verdict: .stored).append(to: &$0)
      } + bench.frame(.next, sequence: 5) { Next(after: offers[2].key).append(to: &$0) })
    frames += bench.poll(60)
    for (index, offer) in offers.enumerated() {
      #expect(isWhole(try content(frames, UInt8(index + 1)), offer.key), "\(index)")
    }
    let others = frames.filter { !$0.is(.data) }
    #expect(others.map(\.sequence) == [1, 2, 3, 4, 5])
    let types: [FrameType] = [.offer, .done, .offer, .done, .none]
    #expect(others.map(\.type) == types.map(\.rawValue))
    #expect(others.filter { $0.is(.done) }.allSatisfy { $0.payload.last == 0 })
    #expect(bench.hello()?.dumpsWaiting == 1)
    #expect(bench.next()?.key == offers[2].key, "not released, and still offered")
  }

  @Test func `a dump released while it is fetched is sent no further`() throws {
    let (bench, offers) = try withDumps()
    bench.board.send(fetch(bench, offers[0].key, 1, 0..<offers[0].length))
    #expect(bench.poll(5).filter { $0.is(.data) }.count == 5)
    #expect(bench.receipt(offers[0].key) == .done)
    #expect(bench.poll(5).isEmpty)
    // What waits is not touched.
    bench.board.send(fetch(bench, offers[1].key, 2, 0..<offers[1].length))
    #expect(isWhole(try content(bench.poll(60), 2), offers[1].key))
  }

  @Test func `requests between DATA frames cost a transfer nothing`() throws {
    let (bench, offers) = try withDumps()
    bench.board.send(fetch(bench, offers[0].key, 1, 0..<offers[0].length))
    var frames: [BoardFrame] = []
    for sequence in 1...70 as ClosedRange<UInt8> {
      bench.board.send(bench.frame(.who, sequence: sequence))
      let turn = bench.poll()
      #expect(turn.first?.sequence == sequence, "the answer comes before what is still to be sent")
      frames += turn
    }
    #expect(isWhole(try content(frames, 1), offers[0].key))
  }
}
