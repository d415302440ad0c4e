// A power cut strikes at exactly the byte or erase it was set for and leaves what it was told to.

import BoardHAL
import MartletTestKit
import Testing

@Suite struct PowerCutTests {
  @Test(arguments: 1...5)
  func `a cut at the n-th byte keeps those before it and no later one`(point: Int) throws {
    let board = try EmulatedBoard()
    board.injectPowerCut(at: point, torn: .untouched)
    board.run { #expect(program([1, 2, 3, 4, 5], at: ring) == .failed) }
    let kept = [1, 2, 3, 4, 5].prefix(point - 1) + filled(0xFF, 6 - point)
    #expect(try board.nor(at: ring, count: 5) == Array(kept))
    #expect(board.state == .off)
    #expect(board.cutPoints == point)
  }

  @Test func `a cut counts bytes and erases together, over several operations`() throws {
    let board = try EmulatedBoard()
    func work() {
      _ = program([1, 2], at: ring)
      _ = halFlashErase(ring + sector)
      _ = program([3], at: ring + 2)
    }
    #expect(board.countingCutPoints { work() } == 4)
    for point in 1...4 {
      let board = try EmulatedBoard()
      board.injectPowerCut(at: point, torn: .half)
      #expect(board.countingCutPoints { work() } == point)
      #expect(board.state == .off)
    }
    board.injectPowerCut(at: 5, torn: .half)
    #expect(board.countingCutPoints { work() } == 4)
    #expect(board.state == .running)
  }

  @Test func `a disarmed cut never comes`() throws {
    let board = try EmulatedBoard()
    board.injectPowerCut(at: 2, torn: .half)
    board.injectPowerCut(at: 0, torn: .half)
    board.run { #expect(program([1, 2, 3], at: ring) == .ok) }
  }

  @Test func `after a cut every operation does nothing until power comes back`() throws {
    let board = try EmulatedBoard()
    board.injectPowerCut(at: 1, torn: .untouched)
    board.run {
      #expect(halFlashErase(ring) == .failed)
      #expect(program([0], at: ring) == .failed)
      #expect(read(1, at: ring).status == .failed)
      #expect(halFlashErase(ring) == .failed)
      #expect(write([1]) == 0)
      #expect(readLine(1) == [])
      #expect(entropy(4).status == .failed)
      #expect(halWatchdogStart(timeoutMilliseconds: 10, warningMilliseconds: 0) == .failed)
      halReset(.software)
      #expect(halMonotonicMicroseconds() < halMonotonicMicroseconds(), "waits must end")
    }
    #expect(board.state == .off)
    #expect(board.cutPoints == 1)
    #expect(board.warmReset() == false)
    board.powerCycle()
    board.run {
      #expect(program([0x5A], at: ring) == .ok)
      #expect(read(1, at: ring) == (.ok, [0x5A]))
      #expect(halResetCause() == .powerOn)
      #expect(halMonotonicMicroseconds() == 0)
    }
  }

  @Test func `half a byte has its lower bits programmed`() throws {
    let board = try cutByte(.half, value: 0x33, over: 0xFF)
    #expect(try board.nor(at: ring, count: 2) == [0xF3, 0xFF])
  }

  @Test func `a random byte only loses bits, differently by seed and alike by the same`() throws {
    var seen: Set<UInt8> = []
    for seed in 1...40 as ClosedRange<UInt64> {
      let first = try cutByte(.random, value: 0x0F, over: 0xF5, seed: seed)
      let second = try cutByte(.random, value: 0x0F, over: 0xF5, seed: seed)
      let byte = try first.nor(at: ring, count: 1)[0]
      #expect(try second.nor(at: ring, count: 1)[0] == byte)
      #expect(byte & ~0xF5 == 0)
      seen.insert(byte)
    }
    #expect(seen.count > 5)
  }

  @Test func `an unstable byte reads differently until it is programmed again`() throws {
    let board = try cutByte(.unstable, value: 0x0F, over: 0xFD)
    board.powerCycle()
    board.run {
      let reads = Set((0..<200).map { _ in read(1, at: ring).bytes[0] })
      #expect(reads.count > 5)
      #expect(reads.allSatisfy { $0 & 0x0F == 0x0D }, "bits that were to stay are firm")
      #expect(program([0x7F], at: ring) == .ok)
      let after = Set((0..<200).map { _ in read(1, at: ring).bytes[0] })
      #expect(after.count == 1)
      #expect(after.allSatisfy { $0 & 0x8F == 0x0D })
    }
  }

  @Test func `an unstable byte survives power cycles and ends with an erase`() throws {
    let board = try cutByte(.unstable, value: 0, over: 0xFF)
    board.powerCycle()
    board.powerCycle()
    board.run {
      #expect(Set((0..<100).map { _ in read(1, at: ring).bytes[0] }).count > 5)
      #expect(halFlashErase(ring) == .ok)
      #expect(Set((0..<100).map { _ in read(1, at: ring).bytes[0] }) == [0xFF])
    }
  }

  @Test func `programming one of many unstable bytes firms that one alone`() throws {
    let board = try EmulatedBoard()
    board.injectPowerCut(at: 1, torn: .unstable, wholePage: true)
    board.run {
      #expect(program(filled(0, 8), at: ring) == .failed)
      board.powerCycle()
      #expect(program([0xFF], at: ring + 3) == .ok)
      for i in 0..<8 as Range<UInt32> {
        let reads = Set((0..<100).map { _ in read(1, at: ring + i).bytes[0] })
        #expect(i == 3 ? reads.count == 1 : reads.count > 5)
      }
    }
  }

  @Test func `a torn page tears all its bytes, before the cut and behind it`() throws {
    let board = try EmulatedBoard()
    board.injectPowerCut(at: 156 + 10, torn: .half, wholePage: true)
    board.run { _ = program(filled(0x00, 500), at: ring + 100) }
    let bytes = try board.nor(at: ring + 100, count: 500)
    #expect(bytes[..<156].allSatisfy { $0 == 0 }, "the page before is done")
    #expect(bytes[156..<412].allSatisfy { $0 == 0xF0 }, "this page is torn")
    #expect(bytes[412...].allSatisfy { $0 == 0xFF }, "the next was not begun")
  }

  @Test func `a torn erase leaves the sector as told`() throws {
    let size = Int(sector)
    let untouched = try cutErase(.untouched)
    #expect(try untouched.nor(at: ring, count: size) == filled(0x21, size))
    let half = try cutErase(.half)
    #expect(
      try half.nor(at: ring, count: size) == filled(0xFF, size / 2) + filled(0x21, size / 2))
    let random = try cutErase(.random)
    #expect(Set(try random.nor(at: ring, count: size)).count > 100)
    let unstable = try cutErase(.unstable)
    unstable.powerCycle()
    unstable.run {
      let first = read(size, at: ring)
      #expect(first.status == .ok)
      #expect(read(size, at: ring).bytes != first.bytes)
      #expect(cells(unstable, 1, at: ring + sector) == [0xFF])
      #expect(halFlashErase(ring) == .ok)
      #expect(read(size, at: ring) == (.ok, filled(0xFF, size)))
    }
  }

  /// A board whose power went while `value` was programmed over `old` at the ring's first byte.
  private func cutByte(
    _ torn: TornState, value: UInt8, over old: UInt8, seed: UInt64 = 1
  ) throws -> EmulatedBoard {
    let board = try EmulatedBoard(EmulatedBoard.Configuration(seed: seed))
    try board.setNor(at: ring, to: [old])
    board.injectPowerCut(at: 1, torn: torn)
    board.run { #expect(program([value, value], at: ring) == .failed) }
    return board
  }

  /// A board whose power went while the ring's first sector, full of 0x21, was erased.
  private func cutErase(_ torn: TornState) throws -> EmulatedBoard {
    let board = try EmulatedBoard()
    try board.setNor(at: ring, to: filled(0x21, Int(sector)))
    board.injectPowerCut(at: 1, torn: torn)
    board.run { #expect(halFlashErase(ring) == .failed) }
    return board
  }
}
