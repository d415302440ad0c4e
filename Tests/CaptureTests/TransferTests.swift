// FETCH and DATA: ranges, holes, the queue, and what a failing flash or a full line costs.

import BoardHAL
import DumpFormat
import LinkProtocol
import MartletTestKit
import Testing

@Suite struct TransferTests {
  private func withDump() throws -> (Bench, DumpKey, [UInt8]) {
    let bench = try Bench()
    bench.boot()
    bench.give()
    bench.crash()
    bench.boot()
    let offer = try #require(bench.next())
    return (bench, offer.key, bench.fetch(offer.key, length: offer.length))
  }

  private struct Piece: Equatable {
    var transfer: UInt8
    var offset: UInt32
    var bytes: [UInt8]
  }

  private func pieces(_ frames: [BoardFrame]) -> [Piece] {
    frames.filter { $0.is(.data) }.compactMap { frame in
      try? frame.payload.withUnsafeBytes {
        let run = try DataRun(decoding: $0)
        return Piece(transfer: run.transfer, offset: run.offset, bytes: Array(run.bytes))
      }
    }
  }

  /// Sends several FETCHes at once and returns all DATA that follows.
  private func fetch(
    _ bench: Bench, _ key: DumpKey, _ ranges: [(transfer: UInt8, offset: UInt32, length: UInt32)]
  ) -> [Piece] {
    for range in ranges {
      bench.board.send(
        bench.frame(.fetch, sequence: 1) {
          Fetch(key: key, transfer: range.transfer, offset: range.offset, length: range.length)
            .append(to: &$0)
        })
    }
    var frames: [BoardFrame] = []
    for _ in 0..<60 { frames += bench.poll() }
    return pieces(frames)
  }

  @Test func `a dump comes whole and in order`() throws {
    let (bench, key, whole) = try withDump()
    let dump = try whole.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    #expect(dump.header.key == key && dump.totalLength == whole.count)
    let pieces = fetch(bench, key, [(5, 0, UInt32(whole.count))])
    #expect(pieces.allSatisfy { $0.transfer == 5 })
    #expect(pieces.flatMap(\.bytes) == whole)
    var position: UInt32 = 0
    for piece in pieces {
      #expect(piece.offset == position)
      position += UInt32(piece.bytes.count)
    }
  }

  @Test func `holes are filled exactly, up to four at once`() throws {
    let (bench, key, whole) = try withDump()
    let holes: [(UInt8, UInt32, UInt32)] = [
      (1, 0, 1), (1, 700, 300), (1, 245, 246), (1, UInt32(whole.count) - 1, 1), (1, 3, 3),
    ]
    let pieces = fetch(bench, key, holes)
    let expected = holes.prefix(4).flatMap { hole in
      Array(whole[Int(hole.1)..<Int(hole.1 + hole.2)])
    }
    #expect(pieces.flatMap(\.bytes) == expected)
    #expect(pieces.map(\.offset) == [0, 700, 945, 245, 490, UInt32(whole.count) - 1])
  }

  @Test func `another transfer number drops what is queued`() throws {
    let (bench, key, whole) = try withDump()
    let pieces = fetch(bench, key, [(1, 0, 2000), (1, 2000, 500), (2, 100, 50)])
    #expect(pieces == [Piece(transfer: 2, offset: 100, bytes: Array(whole[100..<150]))])
  }

  @Test func `a transfer that is sent already does not block the next`() throws {
    let (bench, key, whole) = try withDump()
    #expect(fetch(bench, key, [(1, 0, 10)]).count == 1)
    #expect(fetch(bench, key, [(2, 10, 10)]).first?.bytes == Array(whole[10..<20]))
  }

  @Test func `flash that fails in a transfer sends no wrong byte`() throws {
    let (bench, key, whole) = try withDump()
    for read in 1...20 {
      bench.board.inject(.readFails, atOperation: read)
      for piece in fetch(bench, key, [(UInt8(read), 0, 400)]) {
        let start = Int(piece.offset)
        #expect(piece.bytes == Array(whole[start..<start + piece.bytes.count]))
      }
      bench.board.inject(.readFails, atOperation: 0)
    }
    #expect(fetch(bench, key, [(99, 0, UInt32(whole.count))]).flatMap(\.bytes) == whole)
  }

  @Test func `a line that takes nothing costs frames and the host gets them later`() throws {
    let (bench, key, whole) = try withDump()
    bench.board.setLineCapacity(toHost: 100, toBoard: 4096)
    bench.board.setClockStep(.milliseconds(1))
    _ = fetch(bench, key, [(1, 0, UInt32(whole.count))])
    bench.board.setLineCapacity(toHost: 1 << 16, toBoard: 4096)
    _ = bench.hear()
    #expect(fetch(bench, key, [(2, 0, UInt32(whole.count))]).flatMap(\.bytes) == whole)
  }
}
