// The scenes with somebody who is not trusted: a lease said again, and a flash that was stolen.

import Foundation
import ServiceAPI

extension Story {
  /// Says a lease again that the board took before consent was revoked.
  func replay(_ lease: [UInt8], _ bench: Bench, _ tap: LineTap) async throws {
    try await steps.run("replay", "replaying the lease of before, as somebody on the line could") {
      _ in
      let mark = try await bench.mark()
      tap.say(lease)
      let words = "martlet: lease refused: "
      let (refusal, _) = try await bench.event("the board's refusal", from: mark) {
        $0.event == "console" && $0.text?.contains(words) ?? false
      }
      let line = refusal.text?.split(whereSeparator: \.isNewline).first { $0.contains(words) }
      progress.say("  board: \(line ?? "")")
      guard line?.contains("nonce") == true else {
        throw DemoFailure(.unexpected, "the board refused for another reason than the lease's age")
      }
      // What it says of itself at the next visit.
      let (hello, _) = try await bench.event("the board's word on its lease", from: mark) {
        $0.event == "board.hello"
      }
      guard hello.leaseState == "denied" else {
        throw DemoFailure(
          .unexpected, "the board's lease is \(hello.leaseState ?? "unknown") after the replay")
      }
      progress.say("  consent is still off")
    }
  }

  /// Searches what lies about outside the service for what the service shows of the dumps.
  func searchStolenFlash(_ bench: Bench, _ martlet: OperatorTool) async throws {
    let words = "searching a stolen flash, and the spool, for what the dumps hold"
    try await steps.run("stolen-flash", words) { _ in
      var pieces: Set<[UInt8]> = []
      let dumps = try await martlet.dumps()
      for dump in dumps {
        let file = folder.run.appending(path: "\(dump.id).dump")
        try await martlet.run(["dump", "save", dump.id, "--file", file.path])
        pieces.formUnion(Self.pieces(of: [UInt8](try Data(contentsOf: file)), bench.device))
      }
      guard pieces.count >= 100 else {
        throw DemoFailure(
          .unexpected, "the dumps hold too little to search for: \(pieces.count) pieces")
      }
      let spool = folder.run.appending(path: "spool")
      let files = try FileManager.default.contentsOfDirectory(
        at: spool, includingPropertiesForKeys: nil)
      for (place, files) in [("the flash", [flash.file]), ("the spool", files)] {
        let bytes = try files.flatMap { [UInt8](try Data(contentsOf: $0)) }
        let found = Self.count(pieces, in: bytes)
        guard found == 0, !bytes.isEmpty else {
          throw DemoFailure(
            .unexpected, "\(place), \(bytes.count) bytes, holds \(found) pieces of the dumps")
        }
        progress.say(
          "  \(place), \(bytes.count >> 10) KiB: none of \(pieces.count) pieces of memory in"
            + " \(dumps.count) dumps")
      }
    }
  }

  private static let pieceSize = 16

  /// The parts of a dump's body that are its own: at least 8 different bytes in 16, and nothing of what
  /// anybody may know, its prologue (docs/formats/dump.md) and the device's id.
  private static func pieces(of dump: [UInt8], _ device: String) -> [[UInt8]] {
    let known = Data(dump.prefix(128)) + Data(DeviceID(device)?.bytes ?? [])
    return stride(from: 128, to: max(128, dump.count - pieceSize), by: 4).map {
      Array(dump[$0..<$0 + pieceSize])
    }.filter { Set($0).count >= 8 && known.range(of: Data($0)) == nil }
  }

  /// How many places of `bytes` hold one of the pieces.
  private static func count(_ pieces: Set<[UInt8]>, in bytes: [UInt8]) -> Int {
    // By their first two bytes: most places hold none.
    var begins = [Bool](repeating: false, count: 1 << 16)
    for piece in pieces { begins[Int(piece[0]) << 8 | Int(piece[1])] = true }
    return bytes.withUnsafeBufferPointer { bytes in
      begins.withUnsafeBufferPointer { begins in
        var found = 0
        var start = 0
        while start + pieceSize <= bytes.count {
          if begins[Int(bytes[start]) << 8 | Int(bytes[start + 1])],
            pieces.contains(Array(bytes[start..<start + pieceSize]))
          {
            found += 1
          }
          start += 1
        }
        return found
      }
    }
  }
}
