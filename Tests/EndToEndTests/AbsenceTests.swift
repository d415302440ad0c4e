// One of the two is away, or does not know the other: nothing is lost, and each says what is wrong.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite struct AbsenceTests {
    @Test func `service and bridge work without each other and catch up`() async throws {
      let seen = try await Stand.with { stand in
        try stand.startEverything()
        stand.killService()
        let first = try stand.crash("crash overflow")
        // The bridge alone: durable in the spool, so the board may let go.
        try stand.waitUntilTold(first)
        stand.killBridge()
        let spooled = try stand.spoolRows()
        // The service alone answers operators.
        try stand.startService()
        let early = try stand.storedDumps()
        try stand.startBridge()
        let late = try stand.waitUntilStored([first])
        return (first: first, spooled: spooled, early: early.count, late: late.map(\.key))
      }
      #expect(seen.spooled.filter { $0.state == 0 && $0.hasBytes }.map(\.key) == [seen.first])
      #expect(seen.early == 0)
      #expect(seen.late == [seen.first])
    }

    @Test func `a board without an identity is named to the operator, keeps nothing, and gets one`()
      async throws
    {
      let seen = try await Stand.with { stand in
        try stand.startService()
        try stand.startBridge()
        try stand.waitForBridge(.leaseFailed) {
          $0.leaseProblem == .notProvisioned
            && $0.reason?.contains("martlet-bridge provision --board \(stand.proxy.address)")
              ?? false
        }
        let status = try stand.askBridge()
        _ = try stand.crash("crash divide")
        let after = stand.proxy.current.hello
        let stranger = String(repeating: "ab", count: 64)
        let answer = try post(Data(repeating: 1, count: 500), to: stand, device: stranger)
        stand.killBridge()
        let device = try stand.claimBoard()
        try stand.setConsent(.enabled)
        try stand.startBridge()
        let granted = try stand.waitForBridge(.leaseGranted)
        return (
          status: status, after: after, answer: answer, device: device, granted: granted.device,
          stored: try stand.storedDumps().count
        )
      }
      #expect(seen.status.code == 2)
      #expect(seen.status.output.contains("martlet-bridge provision"))
      #expect(seen.after?.dumpsWaiting == 0)
      #expect(seen.after?.uncapturedCrashes == 1)
      #expect(seen.answer.status == 404)
      #expect(!seen.answer.code.isEmpty)
      #expect(seen.granted == seen.device)
      #expect(seen.stored == 0)
    }

    @Test func `a board is provisioned again without harm, and for one catalog alone`() async throws
    {
      let seen = try await Stand.with { stand in
        try stand.startService()
        let first = try stand.claimBoard()
        let second = try stand.provision(stand.proxy.address)
        // The same board at another service.
        stand.killService()
        try stand.startService(data: "other")
        try stand.makeGroup()
        let refusal = Result { try stand.provision(stand.proxy.address) }
        return (first: first, second: second, words: "\(refusal)")
      }
      #expect(seen.first == seen.second)
      #expect(seen.words.contains("another catalog"), "\(seen.words)")
    }

    /// The ways in which a consent ends.
    enum Revocation: String, CaseIterable, Sendable {
      case disabled, moved, unclaimed, catalogDeleted

      func happen(on stand: Stand) throws {
        switch self {
        case .disabled: try stand.setConsent(.disabled)
        case .moved:
          // Consent is off there by default.
          try stand.martlet(
            "device-group", "create", "--product", "DW100", "--device-group", "Lab")
          try stand.martlet(
            "device", "claim", "--device", stand.device, "--product", "DW100", "--device-group",
            "Lab")
        case .unclaimed: try stand.martlet("device", "unclaim", "--device", stand.device)
        case .catalogDeleted: try stand.martlet("catalog", "delete", "--name", "bench")
        }
      }
    }

    @Test(arguments: Revocation.allCases)
    func `consent that ends while a dump is in the spool purges it everywhere`(
      revocation: Revocation
    ) async throws {
      let seen = try await Stand.with { stand in
        try stand.startEverything()
        let port = stand.port
        stand.killService()
        let key = try stand.crash("crash reason")
        try stand.waitUntilTold(key)
        // Where the bridge cannot reach the service.
        try stand.startService(port: 0)
        try revocation.happen(on: stand)
        stand.killService()
        try stand.startService(port: port)
        let purged = try stand.waitForBridge(.dumpPurged)
        try stand.waitForBridge(.leaseDenied)
        _ = try stand.crash("crash nil")
        let after = stand.proxy.current.hello
        stand.killBridge()
        return (rows: try stand.spoolRows(), purged: purged, after: after)
      }
      #expect(seen.rows.map(\.state) == [2])
      #expect(seen.rows.allSatisfy { !$0.hasBytes })
      #expect(seen.purged.count == 1)
      #expect((seen.purged.size ?? 0) > 4_000)
      #expect(seen.after?.leaseState == .denied)
      #expect(seen.after?.dumpsWaiting == 0 && seen.after?.uncapturedCrashes == 1)
    }
  }
}
