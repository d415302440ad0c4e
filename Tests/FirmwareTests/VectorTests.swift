// The device's cryptography on the board: every vector that the host's tests run, through the same code.

import Foundation
import MartletTestKit
import Testing

extension BoardTests {
  @Suite struct VectorTests {
    /// What the board says about vectors.
    private static func run(_ vectors: [SealingVector]) async throws -> String {
      try await Firmware.withBoard(running: "VectorApp") { board in
        var flash = try board.flashBytes()
        let image = SealingVector.image(of: vectors)
        let place = SealingVector.offset..<(SealingVector.offset + image.count)
        flash.replaceSubrange(place, with: image)
        try Data(flash).write(to: board.flash)
        let link = try board.start()
        // Some 11 billion instructions for all.
        try link.wait(forText: " failed\r\n", within: .seconds(300))
        return link.text
      }
    }

    @Test func `every vector of RFCs and Wycheproof holds on the board`() async throws {
      let vectors = try SealingVector.all()
      #expect(try await Self.run(vectors) == "vectors: \(vectors.count) passed, 0 failed\r\n")
    }

    @Test func `a vector that does not hold on the board is named`() async throws {
      var vectors = try SealingVector.all().filter { $0.kind == .seal }.prefix(3).map { $0 }
      var fields = vectors[1].fields
      fields[4][0] ^= 1
      vectors[1] = SealingVector(kind: .seal, name: "damaged", fields: fields)
      let said = try await Self.run(vectors)
      #expect(said == "vectors: not as it says: damaged\r\nvectors: 2 passed, 1 failed\r\n")
    }
  }
}
