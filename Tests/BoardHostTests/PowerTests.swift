// What the emulated board keeps and forgets over resets and power cycles.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct PowerTests {
  @Test func `retained RAM survives a warm reset and is noise after a power-on`() throws {
    let board = try EmulatedBoard()
    board.run { fill(halRetained(), 0x42) }
    board.warmReset(cause: .external)
    #expect(board.retained == filled(0x42, 4096))
    board.powerCycle()
    let first = board.retained
    #expect(first != filled(0x42, 4096))
    #expect(Set(first).count > 100)
    board.powerCycle()
    #expect(board.retained != first)
  }

  @Test func `the noise follows from the seed`() throws {
    let boards = try [1, 1, 2].map {
      try EmulatedBoard(EmulatedBoard.Configuration(seed: $0))
    }
    #expect(boards[0].retained == boards[1].retained)
    #expect(boards[0].retained != boards[2].retained)
    let drawn = boards.map { board in board.run { entropy(16).bytes } }
    #expect(drawn[0] == drawn[1])
    #expect(drawn[0] != drawn[2])
  }

  @Test func `working RAM is zero at every start`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(contents(halWorking()) == filled(0, 1408))
      fill(halWorking(), 1)
      board.warmReset()
      #expect(contents(halWorking()) == filled(0, 1408))
      fill(halWorking(), 1)
      board.powerCycle()
      #expect(contents(halWorking()) == filled(0, 1408))
    }
  }

  @Test func `a reset that the board asks for waits for its start and keeps the cause`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(halResetCause() == .powerOn)
      halReset(.software)
      #expect(halResetCause() == .powerOn)
      #expect(program([0], at: ring) == .failed)
    }
    #expect(board.state == .reset)
    #expect(board.pendingReset == .software)
    #expect(board.counters.refused == 1)
    #expect(board.restart())
    board.run { #expect(halResetCause() == .software) }
    #expect(!board.restart())
  }

  @Test func `what is written after a reset call is lost`() throws {
    let board = try EmulatedBoard()
    board.run {
      fill(halRetained(), 1)
      halReset(.fault)
      fill(halRetained(), 2)
    }
    #expect(board.retained == filled(1, 4096))
    board.warmReset()
    board.run { #expect(contents(halRetained()) == filled(1, 4096)) }
  }

  @Test func `RAM and code are readable up to their ends and no further`() throws {
    let board = try EmulatedBoard()
    try board.setMemory(at: 0x2000_FFFC, to: [1, 2, 3, 4])
    try board.setMemory(at: 0x1234, to: [9])
    board.run {
      var length: UInt32 = 100
      let top = halReadable(0x2000_FFFD, &length)
      #expect(length == 3)
      #expect(top?.load(as: UInt8.self) == 2)
      length = 1
      #expect(halReadable(0x1234, &length)?.load(as: UInt8.self) == 9)
      for address: UInt32 in [0x2001_0000, 0x1FFF_FFFF, 0x1_0000, .max] {
        length = 4
        #expect(halReadable(address, &length) == nil)
        #expect(length == 0)
      }
    }
    #expect(throws: EmulatedBoardError.self) {
      try board.setMemory(at: 0x2000_FFFD, to: [1, 2, 3, 4])
    }
  }

  @Test func `RAM and flash outlast a warm reset, flash a power cycle`() throws {
    let board = try EmulatedBoard()
    try board.setMemory(at: 0x2000_0000, to: [1, 2, 3, 4, 5, 6, 7, 8])
    try board.setNor(at: ring, to: [7])
    board.warmReset()
    #expect(try board.memory(at: 0x2000_0000, count: 8) == [1, 2, 3, 4, 5, 6, 7, 8])
    board.powerCycle()
    #expect(try board.memory(at: 0x2000_0000, count: 8) != [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(try board.nor(at: ring, count: 1) == [7])
  }

  @Test func `the image is what the test set`() throws {
    let board = try EmulatedBoard()
    board.run {
      #expect(halImage().buildIDLength == 20)
      #expect(String(cString: halImage().version) == "1.0.0")
    }
    try board.setImage(buildID: [1, 2, 3], version: "2.0.1-rc", code: 0x100..<0x900)
    board.run {
      let image = halImage()
      #expect(image.buildIDLength == 3)
      #expect(image.buildID[2] == 3)
      #expect(String(cString: image.version) == "2.0.1-rc")
      #expect(image.codeStart == 0x100)
      #expect(image.codeLength == 0x800)
    }
    #expect(throws: EmulatedBoardError.self) {
      try board.setImage(buildID: [], version: "sixteen bytes!!!")
    }
  }

  @Test func `entropy can be missing`() throws {
    var configuration = EmulatedBoard.Configuration()
    configuration.hasEntropy = false
    let board = try EmulatedBoard(configuration)
    board.run { #expect(entropy(4) == (.unsupported, filled(0, 4))) }
  }

  private func fill(_ region: HALRegion, _ byte: UInt8) {
    region.start?.initializeMemory(as: UInt8.self, repeating: byte, count: region.length)
  }

  private func contents(_ region: HALRegion) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: region.start, count: region.length))
  }
}
