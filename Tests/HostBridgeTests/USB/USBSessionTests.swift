// A session whose board comes and goes on USB: it connects because something arrived, not because
// time passed.

import MartletTestKit
import Testing

@testable import HostBridge
@testable import SerialLink

@Suite(.timeLimit(.minutes(5))) struct USBSessionTests {
  @Test func `a board that is plugged in again is connected without a pause`() async throws {
    let bus = FakeUSBBus()
    let adapter = FakeAdapter(.ftdi())
    adapter.set { $0.echoes = false }
    try await TemporaryDirectory.with { folder in
      let events = EventLog()
      let spool = try Spool(folder: folder.path)
      let service = FakeService()
      let parts = BridgeParts(
        spool: spool, service: service, uploader: Uploader(spool: spool, service: service),
        transport: BoardLines(usb: USBTransport(bus: bus)),
        // Nobody moves it: a pause would never end.
        clock: BridgeClock(ManualClock()), events: events.sink)
      let session = BoardSession(address: .usb(USBAddress(.serial("MRT0001"))), parts: parts)
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await session.run() }
        for round in 0..<50 {
          bus.attach(adapter)
          let connected = await events.next(.boardConnected)
          #expect(connected?.board == "usb:MRT0001", "round \(round)")
          bus.detach(adapter)
          #expect(await events.next(.boardDisconnected) != nil, "round \(round)")
        }
        group.cancelAll()
      }
    }
    #expect(bus.usage == USBUsage())
  }
}
