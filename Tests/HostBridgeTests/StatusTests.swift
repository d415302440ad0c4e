// What the status says of each state: the words that people act on.

import Foundation
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct StatusTests {
  /// A status board in a time of its own.
  final class Bench {
    let clock = ManualClock()
    let board: StatusBoard
    let start = Date(timeIntervalSince1970: 1_800_000_000)
    var spool: SpoolReport? = .sample

    init(_ boards: String...) {
      let clock = clock
      let start = start
      board = StatusBoard(
        service: "http://127.0.0.1:8730", boards: boards, clock: BridgeClock(clock),
        date: { start.addingTimeInterval(clock.now.offset / .seconds(1)) })
    }

    func tell(
      _ name: BridgeEvent.Name, _ address: String? = "unix:/a", device: String? = nil,
      _ change: (inout BridgeEvent) -> Void = { _ in }
    ) {
      let time = start.addingTimeInterval(clock.now.offset / .seconds(1))
      board.take(BridgeEvent(name, board: address, device: device, time: time).with(change))
    }

    /// A board that is well.
    func connect(_ address: String = "unix:/a", device: String = "a5a5a5a5a5a5a5a5") {
      tell(.boardConnected, address)
      tell(.boardHello, address, device: device) {
        $0.imageVersion = "1.2"
        $0.bootCount = 7
        $0.leaseState = "allowed"
        $0.leaseSeconds = 172_800
        $0.dumpsWaiting = 0
        $0.uncapturedCrashes = 0
        $0.phase = "application"
      }
    }

    var status: BridgeStatus {
      var status = board.status()
      status.spool = spool
      status.attention = status.attentionNeeded()
      return status
    }
  }

  @Test func `nothing is known at first and nothing is said to be zero`() throws {
    let bench = Bench("tty:/dev/ttyUSB0")
    let json = String(decoding: try bench.status.json(), as: UTF8.self)
    for field in ["lease", "dumpsWaiting", "bootCount", "lastSuccess", "transfer", "consoleLog"] {
      #expect(!json.contains("\"\(field)\""), "\(field)")
    }
    #expect(bench.status.text.contains("service  http://127.0.0.1:8730 not asked yet"))
    #expect(try BridgeStatus(json: bench.status.json()) == bench.status)
  }

  @Test func `a board that is well needs no attention`() {
    let bench = Bench("unix:/a")
    bench.connect()
    bench.board.serviceAnswered(nil)
    #expect(bench.status.attention == [])
    #expect(bench.status.text.hasSuffix("\nAll is well.\n"))
    let row = bench.status.text.split(separator: "\n").first { $0.hasPrefix("unix:/a") }
    #expect(row?.contains("running  a5a5a5a5a5a5  1.2    7     48 h 0 min") == true)
  }

  @Test func `a lease is counted down and expires without a word from the board`() {
    let bench = Bench("unix:/a")
    bench.connect()
    bench.clock.advance(by: .seconds(2_880))
    #expect(bench.status.boards[0].lease?.secondsLeft == 169_920)
    #expect(bench.status.text.contains("47 h 12 min"))
    bench.clock.advance(by: .seconds(172_800))
    #expect(bench.status.boards[0].lease?.state == "expired")
    let item = bench.status.attention.first
    #expect(item?.code == "leaseExpired" && item?.board == "unix:/a")
    #expect(item?.message == "its lease has expired, so no crash of it is kept")
  }

  @Test func `a clock that jumps takes nothing from a lease`() {
    let bench = Bench("unix:/a")
    bench.connect()
    // The event's time of day is years off, as on a gateway without a clock of its own.
    bench.board.take(
      BridgeEvent(.leaseGranted, board: "unix:/a", time: Date(timeIntervalSince1970: 0)).with {
        $0.leaseState = "allowed"
        $0.leaseSeconds = 100
      })
    #expect(bench.status.boards[0].lease?.secondsLeft == 100)
  }

  @Test func `consent that was not given is shown and is no trouble`() {
    let bench = Bench("unix:/a")
    bench.connect()
    bench.tell(.leaseDenied) { $0.leaseState = "denied" }
    #expect(bench.status.attention == [])
    #expect(bench.status.text.contains("no consent"))
  }

  @Test func `a board that is away is named with its reason and since when`() {
    let bench = Bench("unix:/a", "tty:/dev/ttyUSB0")
    bench.connect()
    bench.tell(.boardUnavailable, "tty:/dev/ttyUSB0") {
      $0.reason = "cannot open /dev/ttyUSB0: No such file or directory"
    }
    bench.clock.advance(by: .seconds(240))
    let item = bench.status.attention.first
    #expect(item?.code == "boardAway" && item?.board == "tty:/dev/ttyUSB0")
    #expect(
      item?.message == "not connected, since 2027-01-15 08:00:00 UTC (4 min): cannot open "
        + "/dev/ttyUSB0: No such file or directory")
    #expect(item?.remedy == "Plug it in or power it; the bridge waits for it.")
    #expect(bench.status.attention.count == 1)

    bench.connect("tty:/dev/ttyUSB0")
    #expect(bench.status.attention == [])
    bench.tell(.boardDisconnected, "tty:/dev/ttyUSB0")
    #expect(bench.status.attention.map(\.code) == ["boardAway"])
    // What was learnt of it is shown all the same.
    #expect(bench.status.boards[0].imageVersion == "1.2")
  }

  @Test func `a line that stays silent is noticed after a while`() {
    let bench = Bench("unix:/a")
    bench.tell(.boardConnected)
    #expect(bench.status.attention == [])
    bench.clock.advance(by: .seconds(31))
    #expect(bench.status.attention.map(\.code) == ["boardSilent"])
  }

  @Test(arguments: [
    (BridgeEvent.LeaseProblem.deviceUnknown, "deviceUnknown"),
    (.notProvisioned, "boardNotProvisioned"), (.keyUnknown, "deviceKeyUnknown"),
    (.refused, "leaseFails"), (.noAnswer, "leaseFails"),
  ])
  func `a board that gets no lease needs attention, and says what to do`(
    problem: BridgeEvent.LeaseProblem, code: String
  ) {
    let bench = Bench("unix:/a")
    bench.connect()
    bench.tell(.leaseFailed) {
      $0.reason = "this is what to do"
      $0.leaseProblem = problem
    }
    #expect(bench.status.attention.map(\.code) == [code])
    #expect(bench.status.text.contains("this is what to do"))
    bench.tell(.leaseKept)
    #expect(bench.status.attention == [])
  }

  @Test(arguments: [
    (nil, "Unreachable", ServiceReport.Condition.unreachable, "does not answer, since"),
    (nil, "NotTrusted", .untrusted, "is not trusted, since"),
    (500, "Unknown", .failing, "fails, since"),
    (502, "Unknown", .failing, "fails, since"),
    (429, "TooMany", .busy, "asks to be left alone, since"),
    (503, "Busy", .busy, "asks to be left alone, since"),
    (nil, "AnswerNotUnderstood", .notUnderstood, "is no Martlet service, since"),
    (407, "Unknown", .refusing, "refuses this bridge, since"),
    (404, "Unknown", .refusing, "refuses this bridge, since"),
  ])
  func `each way in which the service fails has its words`(
    status: Int?, code: String, condition: ServiceReport.Condition, words: String
  ) {
    let bench = Bench("unix:/a")
    bench.connect()
    bench.board.serviceAnswered(nil)
    bench.clock.advance(by: .seconds(60))
    for _ in 0..<3 {
      bench.board.serviceAnswered(ServiceFailure(status: status, code: code, message: "why"))
    }
    let service = bench.status.service
    #expect(service.condition == condition)
    #expect(service.failures == 3)
    #expect(service.lastSuccess == bench.start)
    #expect(service.since == bench.start.addingTimeInterval(60))
    #expect(bench.status.attention.count == 1)
    let item = bench.status.attention.first
    #expect(item?.message.contains(words) == true)
    #expect(item?.message.hasSuffix(": why") == true)
    #expect(item?.remedy.contains("Dumps wait here") == true || condition == .busy)
    #expect(!bench.status.text.contains("All is well"))

    bench.board.serviceAnswered(nil)
    #expect(bench.status.attention == [])
    #expect(bench.status.service.failures == 0)
    #expect(bench.status.service.lastFailure?.message == "why")
  }

  @Test(arguments: [(404, "DeviceNotFound"), (403, "ConsentNotGiven"), (409, "DumpConflict")])
  func `an answer about one device is an answer`(status: Int, code: String) {
    let bench = Bench("unix:/a")
    bench.board.serviceAnswered(ServiceFailure(status: status, code: code, message: "no"))
    #expect(bench.status.service.condition == .ok)
    #expect(bench.status.service.lastSuccess != nil)
  }

  @Test(arguments: [
    (SpoolCondition.Kind.nearlyFull, "spoolNearlyFull", ", nearly full"),
    (.full, "spoolFull", ", FULL"), (.diskFull, "spoolDiskFull", ", DISK FULL"),
    (.readOnly, "spoolReadOnly", ", READ-ONLY"), (.failing, "spoolFails", ", FAILS"),
  ])
  func `each state of the spool has its words and comes first`(
    kind: SpoolCondition.Kind, code: String, words: String
  ) {
    let bench = Bench("unix:/a")
    bench.spool?.condition = SpoolCondition(kind: kind, words: "what it is", since: bench.start)
    bench.board.serviceAnswered(ServiceFailure(status: nil, code: "Unreachable", message: "why"))
    #expect(bench.status.attention.first?.code == code)
    #expect(bench.status.attention.first?.message.hasSuffix("what it is") == true)
    #expect(bench.status.text.contains("3 dumps waiting, 48 KiB of 256 MiB\(words)"))
  }

  @Test func `dumps are followed from the offer to the service`() {
    let bench = Bench("unix:/a")
    bench.connect(device: "d1")
    bench.tell(.boardHello, device: "d1") { $0.dumpsWaiting = 2 }
    let steps: [(BridgeEvent.Name, String?, String)] = [
      (.dumpOffered, "unix:/a", "offered"), (.dumpSpooled, "unix:/a", "spooled"),
      // The uploader knows the device alone.
      (.dumpUploaded, nil, "uploaded"),
    ]
    for (name, address, standing) in steps {
      bench.clock.advance(by: .seconds(1))
      bench.tell(name, address, device: "d1") {
        $0.dump = "6-1"
        if name == .dumpOffered { $0.kind = "hardFault" }
      }
      #expect(bench.status.boards[0].lastDump?.standing == standing)
    }
    #expect(bench.status.boards[0].lastDump?.kind == "hardFault")
    #expect(bench.status.boards[0].dumpsWaiting == 1)
    #expect(bench.status.text.contains("6-1 uploaded 0 s ago"))
  }

  @Test func `what is said again and again is counted, not collected`() {
    let bench = Bench("unix:/a")
    bench.connect()
    for round in 0..<10_000 {
      bench.tell(.warning) { $0.text = "the same" }
      bench.tell(.warning, "unix:/\(round % 1_000)") { $0.text = "another \(round)" }
      bench.tell(.boardUnavailable, "unix:/\(round % 1_000)") {
        $0.reason = String(repeating: "long ", count: 1_000)
      }
    }
    let status = bench.status
    #expect(status.warnings.count == StatusBoard.mostWarnings)
    #expect(status.warnings.first { $0.text == "the same" }?.count == 10_000)
    #expect(status.boards.count <= StatusBoard.mostBoards)
    #expect(status.boards.allSatisfy { $0.errors.count <= StatusBoard.mostErrors })
    #expect(status.boards.contains { $0.address == "unix:/a" }, "a connected board was forgotten")
    #expect(status.boards.allSatisfy { ($0.problem?.count ?? 0) <= StatusBoard.longestText })
  }

  @Test func `words of a hostile board do nothing to the terminal`() {
    let bench = Bench("unix:/a")
    bench.tell(.boardConnected)
    bench.tell(.boardHello, device: "d1") {
      $0.imageVersion = "1\u{1B}[2J\nAll is well."
      $0.phase = "application"
    }
    bench.tell(.warning) { $0.text = "\u{1B}]0;mine\u{07}" }
    let text = bench.status.text
    #expect(
      !text.unicodeScalars.contains { $0 != "\n" && $0.properties.generalCategory == .control })
    #expect(text.contains("1␛[2J␊All is well."))
  }

  @Test(arguments: [
    (0.0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h 0 min"), (169_920, "47 h 12 min"),
    (259_200, "3 d 0 h"), (-5, "0 s"), (.infinity, "11574074 d 1 h"),
  ])
  func `times are said in two units at most`(seconds: Double, words: String) {
    #expect(Words.duration(seconds) == words)
  }

  @Test(arguments: [
    (0, "0 B"), (512, "512 B"), (1_536, "1.5 KiB"), (268_435_456, "256 MiB"), (16_384, "16 KiB"),
    (123_456_789, "118 MiB"), (5_368_709_120, "5 GiB"),
  ])
  func `sizes are said in the unit that fits`(bytes: Int, words: String) {
    #expect(Words.bytes(bytes) == words)
  }
}

extension SpoolReport {
  static var sample: SpoolReport {
    SpoolReport(
      condition: SpoolCondition(kind: .ok, words: "", since: Date(timeIntervalSince1970: 0)),
      waiting: 3, rejected: 0, bytes: 49_152, byteLimit: 256 << 20, oldestAgeSeconds: 60,
      ageLimitSeconds: 29 * 86_400)
  }
}
