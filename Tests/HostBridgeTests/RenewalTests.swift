// When a board is handed a lease: when it says something new, and no more often.

import ConsentLease
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@testable import HostBridge

@Suite struct RenewalTests {
  /// A lab whose board has had its lease of this connection, and is polled every 200 ms.
  private func lab(_ settle: (Lab) -> Void = { _ in }) -> Lab {
    let lab = Lab(settings: ConversationSettings(pollInterval: .milliseconds(200)))
    settle(lab)
    lab.connect()
    #expect(lab.run { $0.starts == [.hostSaidGo] })
    #expect(lab.run { $0.leases.count == 1 })
    return lab
  }

  /// LEASE frames that the board has seen.
  private func leases(_ lab: Lab) -> Int { lab.board.seen.count { $0 == .lease } }

  /// Lets so many polls pass.
  private func poll(_ lab: Lab, _ count: Int = 1) {
    let asked = lab.wishes.count
    #expect(lab.run { $0.wishes.count == asked + count })
    lab.run(for: .milliseconds(100)) { _ in false }
  }

  @Test func `the service is asked at every poll, the board is told once`() {
    let lab = lab()
    poll(lab, 4)
    #expect(leases(lab) == 1)
    #expect(lab.leasesKept == 4)
    #expect(lab.board.seen.count { $0 == .go } == 1)
    #expect(lab.board.seen.count { $0 == .welcome } == 1)
  }

  @Test(arguments: ["verdict", "epoch", "limit", "key", "fingerprints"])
  func `what changes reaches the board at the next poll`(change: String) {
    let lab = lab()
    poll(lab)
    #expect(leases(lab) == 1)
    switch change {
    case "verdict": lab.consent = .denied
    case "epoch": lab.epoch += 1
    case "limit": lab.dumpsPerFingerprint = 9
    case "key": lab.authority.sealingKeyID += 1
    default: lab.knownFingerprints = [7]
    }
    poll(lab)
    #expect(leases(lab) == 2)
    #expect(lab.leases.map(\.refusal) == [.accepted, .accepted])
    #expect(lab.board.hello.leaseState == (change == "verdict" ? .denied : .allowed))
    poll(lab, 2)
    #expect(leases(lab) == 2)
  }

  @Test func `the same fingerprints in another order are nothing new`() {
    let lab = lab { $0.knownFingerprints = [1, 2, 3] }
    lab.knownFingerprints = [3, 1, 2]
    poll(lab)
    #expect(leases(lab) == 1)
  }

  @Test func `a lease is renewed when less than half of it is left`() {
    let lab = lab()
    lab.board.hello.leaseSeconds = lab.lifetime / 2
    poll(lab)
    #expect(leases(lab) == 1)
    lab.board.hello.leaseSeconds = lab.lifetime / 2 - 1
    poll(lab)
    #expect(leases(lab) == 2)
    #expect(lab.board.hello.leaseSeconds == lab.lifetime)
  }

  @Test(arguments: [LeaseState.none, .denied, .expired, .suspended, .clockFault])
  func `a board that lost its lease gets one`(state: LeaseState) {
    let lab = lab()
    lab.board.hello.leaseState = state
    lab.board.hello.leaseSeconds = 0
    poll(lab)
    #expect(leases(lab) == 2)
    #expect(lab.board.hello.leaseState == .allowed)
  }

  @Test func `a board that lost its denial is denied again`() {
    let lab = lab { $0.consent = .denied }
    poll(lab, 2)
    #expect(leases(lab) == 1)
    lab.board.hello.leaseState = .none
    poll(lab)
    #expect(leases(lab) == 2)
    #expect(lab.board.hello.leaseState == .denied)
  }

  @Test func `each boot and each connection begins with a lease`() {
    let lab = lab()
    lab.board.reboot()
    #expect(lab.run { leases($0) == 2 })
    lab.disconnect()
    lab.connect()
    #expect(lab.run { leases($0) == 3 })
    poll(lab, 2)
    #expect(leases(lab) == 3)
  }

  @Test func `a lease that the board refused is offered again`() {
    let lab = lab()
    lab.epoch = 2
    lab.board.refusesLease = .signature
    poll(lab)
    #expect(lab.leases.last?.refusal == .signature)
    poll(lab)
    #expect(leases(lab) == 3)
    lab.board.refusesLease = nil
    poll(lab, 3)
    #expect(lab.leases.last?.refusal == .accepted)
    #expect(leases(lab) == 4)
  }

  @Test func `bytes that the bridge cannot read are passed on each time`() {
    let lab = lab { $0.mangle = { $0 + [0] } }
    poll(lab, 2)
    #expect(leases(lab) == 3)
    #expect(lab.leases.allSatisfy { $0.refusal == .malformed })
  }

  @Test func `a new lease keeps neither dumps nor application of a board that has one waiting`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.started == .hostSaidGo })
    #expect(lab.completions == [key(1, 1)])
    #expect(leases(lab) == 0)
    #expect(lab.run(for: .seconds(1)) { $0.leases.map(\.refusal) == [.accepted] })
  }

  @Test func `a denial does not wait for anything`() {
    let lab = Lab(board: FakeBoard(lease: .allowed))
    lab.consent = .denied
    lab.board.hold(key(1, 1))
    lab.connect()
    #expect(lab.run { $0.board.hello.leaseState == .denied })
    #expect(lab.board.started == nil)
    #expect(lab.completions.isEmpty)
  }

  @Test func `a board without an identity is told about and let go`() {
    let lab = Lab()
    lab.board.hello.deviceID = DeviceID()
    lab.connect()
    #expect(lab.run { $0.board.started == .hostSaidGo })
    #expect(lab.unprovisioned == 1)
    #expect(lab.wishes.isEmpty)
    #expect(lab.warnings.isEmpty)
  }
}
