// Garbage on the line, bodies that are too large or lie, the wrong ELF file: a clear word each time.

import DumpFormat
import Foundation
import MartletBenchKit
import MartletTestKit
import Testing

extension StandTests {
  @Suite struct BadInputTests {
    @Test func `garbage on the line costs the bridge nothing but time`() async throws {
      let generator = SeededGenerator.fromEnvironment()
      let seen = try await Stand.with { stand in
        var generator = generator
        try stand.startEverything()
        let before = stand.proxy.current.bridges
        var keys: [DumpKey] = []
        for _ in 0..<3 {
          let starts = stand.proxy.current.starts
          keys.append(try stand.crash("crash bounds"))
          for _ in 0..<100 { stand.proxy.disturbBridge(Self.garbage(&generator)) }
          try stand.waitUntilTold(keys[keys.count - 1])
          try stand.proxy.wait(for: "the application") { $0.starts > starts }
        }
        let stored = try stand.waitUntilStored(keys)
        return (
          keys: keys, stored: stored.map(\.key).sorted(),
          bridges: stand.proxy.current.bridges - before
        )
      }
      #expect(seen.stored == seen.keys, "seed \(generator.seed)")
      #expect(seen.bridges == 0, "the bridge lost its line or its life")
    }

    /// Noise, with delimiters, markers and the beginnings of frames in it.
    private static func garbage(_ generator: inout SeededGenerator) -> [UInt8] {
      switch generator.next() % 4 {
      case 0: generator.bytes(Int.random(in: 1...300, using: &generator))
      case 1: [0] + generator.bytes(Int.random(in: 1...20, using: &generator)) + [0]
      case 2:
        [0, UInt8.random(in: 2...255, using: &generator), 0x91]
          + generator.bytes(Int.random(in: 0...60, using: &generator)).map { $0 == 0 ? 1 : $0 } + [
            0
          ]
      default: [0, 0, 0, 0x91, 0]
      }
    }

    @Test func `bodies that are too large or lie are refused with a reason`() async throws {
      let seen = try await Stand.with { stand in
        try stand.startEverything()
        let device = stand.proxy.current.hello?.deviceID.text ?? ""
        let large = try post(Data(repeating: 0x4D, count: 10 << 20), to: stand, device: device)
        // A real dump whose length field lies.
        let key = try stand.crash("crash assert")
        let stored = try stand.waitUntilStored([key])
        var bytes = try stored.first.map { try stand.content(of: $0) } ?? []
        bytes[96] ^= 0xFF
        let lying = try post(Data(bytes), to: stand, device: device)
        let garbage = try post(Data("not a dump".utf8), to: stand, device: device)
        return (
          large: large, lying: lying, garbage: garbage, before: [key],
          after: try stand.storedDumps().map(\.key)
        )
      }
      #expect(seen.large.status == 413)
      #expect(seen.lying.status == 422)
      #expect(seen.garbage.status == 422)
      for answer in [seen.large, seen.lying, seen.garbage] {
        #expect(!answer.code.isEmpty && !answer.message.isEmpty)
      }
      #expect(seen.after == seen.before)
    }

    @Test func `an ELF file of another build is refused by both ids`() async throws {
      let seen = try await Stand.with { stand in
        try stand.startEverything()
        let key = try stand.crash("crash nil")
        let dump = try stand.waitUntilStored([key]).first
        let id = dump?.id ?? ""
        let right = try Programs.firmware()
        let wrong = stand.folder.file("wrong.elf")
        let (bytes, buildID) = try Self.withOtherBuildID(right)
        try bytes.write(to: wrong)
        let refusal = try stand.martlet("dump", "show", id, "--elf", wrong.path, exit: 1)
        let report = try stand.martlet("dump", "show", id, "--elf", right.path)
        return (refusal: refusal, buildID: buildID, report: report)
      }
      #expect(seen.refusal.contains("has build-id ee\(seen.buildID.dropFirst(2))"))
      #expect(seen.refusal.contains(seen.buildID))
      #expect(seen.report.contains("unwrapNil"))
    }

    /// The ELF file with the first byte of its build-id changed to EE, and the id before.
    private static func withOtherBuildID(_ url: URL) throws -> (Data, String) {
      var bytes = try Data(contentsOf: url)
      // Name of 4 bytes, 20 bytes of id, type 3, "GNU".
      let head = Data([4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0] + Array("GNU\0".utf8))
      guard let note = bytes.range(of: head) else {
        throw ProcessFailure(.unexpected, "\(url.path) has no build-id")
      }
      let id = bytes[note.upperBound..<note.upperBound + 20]
      let text = id.hexDigits
      bytes[note.upperBound] = 0xEE
      return (bytes, text)
    }
  }
}
