// The emulated serial line: partial writes, losses, and a descriptor in its place.

import BoardHAL
import Foundation
import MartletTestKit
import Testing

@Suite struct SerialTests {
  @Test func `bytes pass both ways in order`() throws {
    let board = try EmulatedBoard()
    #expect(board.send([1, 2, 3]) == 3)
    board.run {
      #expect(readLine(2) == [1, 2])
      #expect(readLine(9) == [3])
      #expect(readLine(9) == [])
      #expect(write([4, 5]) == 2)
    }
    #expect(board.receive(atMost: 1) == [4])
    #expect(board.receive() == [5])
    #expect(board.receive() == [])
  }

  @Test func `a full line takes a part, then nothing, then goes on`() throws {
    let board = try EmulatedBoard()
    board.setLineCapacity(toHost: 5, toBoard: 2)
    board.run {
      #expect(write([1, 2, 3]) == 3)
      #expect(write([4, 5, 6]) == 2)
      #expect(write([6]) == 0)
      #expect(board.receive(atMost: 2) == [1, 2])
      #expect(write([6, 7, 8]) == 2)
    }
    #expect(board.receive() == [3, 4, 5, 6, 7])
    #expect(board.send([1, 2, 3]) == 2)
    board.run { #expect(readLine(9) == [1, 2]) }
  }

  @Test func `a smaller line keeps what is under way`() throws {
    let board = try EmulatedBoard()
    board.run { _ = write([1, 2, 3]) }
    board.setLineCapacity(toHost: 2, toBoard: 2)
    board.run { #expect(write([4]) == 0) }
    #expect(board.receive() == [1, 2, 3])
    board.run { #expect(write([4, 5, 6]) == 2) }
    #expect(board.receive() == [4, 5])
  }

  @Test func `bytes sent to a board that is down or resets are lost`() throws {
    let board = try EmulatedBoard()
    board.send([1])
    board.warmReset()
    board.run { #expect(readLine(9) == []) }
    board.powerOff()
    #expect(board.send([2]) == 1)
    board.powerCycle()
    board.run { #expect(readLine(9) == []) }
  }

  @Test func `an attached socket is the line, partial writes included`() throws {
    let board = try EmulatedBoard()
    let ends = try socketPair()
    defer { close(ends.host) }
    try board.attach(fileDescriptor: ends.board)
    close(ends.board)
    board.run {
      #expect(write([1, 2]) == 2)
      #expect(receive(ends.host, 9) == [1, 2])
      _ = [UInt8]([3, 4]).withUnsafeBytes { Foundation.write(ends.host, $0.baseAddress, 2) }
      #expect(readLine(9) == [3, 4])
      #expect(readLine(9) == [], "an empty line does not wait")
      let much = filled(0x55, 1 << 20)
      var taken = 0
      while taken < 16 << 20 {
        let count = write(much)
        taken += count
        if count == 0 { break }
      }
      #expect(taken > 0 && taken < 16 << 20, "a full line takes nothing and does not wait")
    }
  }

  @Test func `a host that hangs up does not hurt the board`() throws {
    let board = try EmulatedBoard()
    let ends = try socketPair()
    try board.attach(fileDescriptor: ends.board)
    close(ends.board)
    close(ends.host)
    board.run {
      #expect(write([1, 2]) == 2)
      #expect(readLine(9) == [])
    }
    board.detach()
    board.run { _ = write([7]) }
    #expect(board.receive() == [7])
    #expect(throws: EmulatedBoardError.self) { try board.attach(fileDescriptor: -1) }
    #expect(throws: EmulatedBoardError.self) { try board.attach(fileDescriptor: 1 << 20) }
  }

  @Test func `a paced line passes bytes at its rate through FIFOs that overrun`() throws {
    let board = try EmulatedBoard()
    // 10 us a byte.
    board.setBaud(1_000_000, fifo: 16)
    board.run {
      #expect(write([UInt8](0..<40)) == 16, "the FIFO is full")
      #expect(board.receive() == [])
      board.advance(by: .microseconds(25))
      #expect(board.receive() == [0, 1])
      #expect(write([UInt8](16..<40)) == 2)
      board.advance(by: .microseconds(15))
      #expect(board.receive() == [2, 3])
      board.advance(by: .seconds(1))
      #expect(board.receive() == [UInt8](4..<18))
      // An idle line does not save time up.
      _ = write([1, 2])
      #expect(board.receive() == [])
      board.advance(by: .microseconds(20))
      #expect(board.receive() == [1, 2])

      #expect(board.send([UInt8](0..<40)) == 40)
      #expect(readLine(99) == [])
      board.advance(by: .microseconds(50))
      #expect(readLine(99) == [0, 1, 2, 3, 4])
      board.advance(by: .microseconds(200))
      #expect(readLine(99) == [UInt8](5..<21))
      board.advance(by: .microseconds(150))
      #expect(readLine(99) == [UInt8](25..<40))
      #expect(board.counters.overruns == 4)
    }
    board.warmReset()
    board.run { #expect(readLine(9) == []) }
    board.setBaud(0)
    board.run { _ = write([7]) }
    #expect(board.receive() == [7])
  }

  private func socketPair() throws -> (board: Int32, host: Int32) {
    var pair: [Int32] = [-1, -1]
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue)
    #else
      let type = SOCK_STREAM
    #endif
    try #require(socketpair(AF_UNIX, type, 0, &pair) == 0)
    return (pair[0], pair[1])
  }

  private func receive(_ descriptor: Int32, _ capacity: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      count = max(0, Foundation.read(descriptor, buffer.baseAddress, capacity))
    }
  }
}
