// The example of boards/host/README.md, as it stands there, and what that page promises besides.

import BoardHAL
import MartletTestKit
import Testing

/// Counts boots in flash, one byte a boot: the code under test.
private func countBoot() -> UInt8 {
  let area = halFlashGeometry().stateOffset
  var count: UInt8 = 0
  var byte: UInt8 = 0
  while halFlashRead(area + UInt32(count), &byte, 1) == .ok, byte != 0xFF { count += 1 }
  var mark: UInt8 = 0
  _ = halFlashProgram(area + UInt32(count), &mark, 1)
  return count
}

@Suite struct ReadmeTests {
  @Test(arguments: EmulatedBoard.allTornStates)
  func `a power cut costs at most the boot it ends`(torn: TornState) throws {
    let board = try EmulatedBoard()
    #expect(board.run { countBoot() } == 0)
    let points = board.countingCutPoints { _ = countBoot() }
    for point in 1...points {
      board.injectPowerCut(at: point, torn: torn)
      _ = board.run { countBoot() }
      #expect(board.state == .off)
      board.powerCycle()
      let count = board.run { countBoot() }
      #expect(count == 2 || count == 3)
    }
  }

  @Test func `a deliberate crash prints its reason and ends the process`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let reason = Array("out of biscuits".utf8)
      halCrash(reason, UInt32(reason.count), 0xC0)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("trap 0xc0: out of biscuits"))
  }
}
