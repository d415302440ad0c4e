// Keys for the writer's tests: what it seals is opened with swift-crypto, under a key that is known.

import Crypto
import DumpFormat
import DumpSealing
import Foundation
import MartletTestKit
import Testing

/// The keys of one dump, as a lease and the boot agent leave them.
final class SealFixture {
  static let key = [UInt8](100..<132)
  static let salt = [UInt8](1...16)
  static let enc = [UInt8](200..<232)
  static let sealingKeyID: UInt32 = 0x0100_5F02

  private let memory = UnsafeMutableRawPointer.allocate(byteCount: SealingKeys.size, alignment: 8)
  private let buffer = UnsafeMutableRawPointer.allocate(
    byteCount: DumpHeader.size + SealedLayout.chunk, alignment: 8)
  let keys: SealingKeys

  init() {
    keys = SealingKeys(memory: memory)
    [UInt8](repeating: 7, count: 32).withUnsafeBytes { exporter in
      Self.enc.withUnsafeBytes { enc in
        guard let exporter = exporter.baseAddress, let enc = enc.baseAddress else { return }
        keys.keep(exporter: exporter, enc: enc, sealingKeyID: Self.sealingKeyID, epoch: 1)
      }
    }
    Self.salt.withUnsafeBytes { salt in
      Self.key.withUnsafeBytes { key in
        guard let salt = salt.baseAddress, let key = key.baseAddress else { return }
        keys.put(.ring, salt: salt, key)
      }
    }
  }

  deinit {
    memory.deallocate()
    buffer.deallocate()
  }

  /// Does something with the key, and a buffer for the writer that holds a header.
  func use<Result>(
    _ header: DumpHeader, _ body: (DumpSeal, UnsafeMutableRawPointer) throws -> Result
  ) throws -> Result {
    header.encode(to: buffer)
    return try body(try #require(keys.take(.ring, epoch: 1)), buffer)
  }

  /// The blocks of a dump that was sealed with ``key``.
  static func open(_ dump: [UInt8]) throws -> [UInt8] {
    let body = Array(dump[DumpPrologue.size...])
    #expect(Array(body[..<4]) == Array("MSE1".utf8))
    #expect(Array(body[4..<8]) == [0x02, 0x5F, 0x00, 0x01])
    #expect(Array(body[16..<32]) == salt && Array(body[32..<64]) == enc)
    let isTruncated = dump[104] & 1 != 0
    var blocks: [UInt8] = []
    var start = 64
    var index: UInt8 = 0
    while start < body.count {
      let end = min(body.count, (start / 1024 + 1) * 1024)
      let flags: UInt8 = end < body.count ? 0 : isTruncated ? 3 : 1
      let nonce = [index] + [UInt8](repeating: 0, count: 10) + [flags]
      let box = try ChaChaPoly.SealedBox(
        nonce: .init(data: nonce), ciphertext: body[start..<end - 16], tag: body[(end - 16)..<end])
      blocks += try ChaChaPoly.open(
        box, using: SymmetricKey(data: key),
        authenticating: index == 0 ? Data(dump[..<96]) : Data())
      start = end
      index += 1
    }
    return blocks
  }
}
