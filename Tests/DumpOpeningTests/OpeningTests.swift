// Sealed dumps: what opens, and what does not.

import Crypto
import DumpFormat
import DumpOpening
import MartletTestKit
import Testing

@Suite struct OpeningTests {
  private let sample = SealedSample()

  /// Around every border between chunks, and the largest dump that fits sealed.
  @Test(arguments: [0, 1, 15, 16, 943, 944, 945, 1951, 1952, 1953, 5000, 1_000_000])
  func `what a device sealed opens to the same dump`(size: Int) throws {
    for isTruncated in [false, true] {
      let plain = SealedSample.plain(size: size, isTruncated: isTruncated)
      let sealed = try sample.sealer().seal(plain)
      let chunks = size <= 944 ? 1 : 1 + (size - 944 + 1007) / 1008
      #expect(sealed.count == plain.count + 64 + 16 * chunks)
      #expect(try SealedDump(sealed).sealingKeyID == sample.keyID)
      let opened = try sample.open(sealed)
      #expect(opened == OpenedDump(plain))
      #expect(try sample.openWhatIsThere(sealed) == opened)
    }
  }

  @Test func `nothing of the body is seen in a sealed dump`() throws {
    let marker = Array("a marker that nobody may see".utf8)
    var builder = DumpBuilder()
    builder.addMemory(at: 0, marker + [UInt8](repeating: 0, count: 4000) + marker)
    let sealed = try sample.sealer().seal(builder.build())
    let parts = Set(stride(from: 0, to: marker.count - 3, by: 4).map { marker[$0..<$0 + 4] })
    #expect(!(0..<sealed.count - 3).contains { parts.contains(sealed[$0..<$0 + 4]) })
    #expect(try sample.sealer().seal(builder.build()) != sealed, "two dumps share a key")
  }

  @Test func `a flipped bit anywhere is refused`() throws {
    let sealed = try sample.sealer().seal(SealedSample.plain(size: 1000))
    for at in sealed.indices {
      for bit in 0..<8 {
        var damaged = sealed
        damaged[at] ^= 1 << bit
        #expect(throws: DumpOpeningError.self) { try sample.open(damaged) }
      }
    }
  }

  @Test func `a flipped bit under checksums that hold is refused, or it meant nothing`() throws {
    let plain = SealedSample.plain(size: 1000)
    let sealed = try sample.sealer().seal(plain)
    // Bytes that readers ignore: of the commit and of the envelope.
    let ignored = Set(105..<120).union(136..<144)
    var opened: Set<Int> = []
    for at in sealed.indices where !(92..<104).contains(at) && !(120..<128).contains(at) {
      var damaged = sealed
      damaged[at] ^= 1 << (at % 8)
      if let found = try? sample.open(withRightChecksums(damaged)) {
        opened.insert(at)
        #expect(found == OpenedDump(plain))
      }
    }
    #expect(opened.isSubset(of: ignored))
  }

  @Test func `chunks that are swapped, doubled or dropped are refused`() throws {
    let sealed = try sample.sealer().seal(SealedSample.plain(size: 944 + 3 * 1008))
    let starts = [192, 1152, 2176, 3200, 4224]
    try #require(sealed.count == starts.last)
    let chunks = (0..<4).map { Array(sealed[starts[$0]..<starts[$0 + 1]]) }
    func dump(_ order: [Int]) -> [UInt8] {
      withRightChecksums(sealed[..<192] + order.flatMap { chunks[$0] })
    }
    #expect(try sample.open(dump([0, 1, 2, 3])).isComplete)
    #expect(throws: DumpOpeningError.chunkNotAuthentic(1)) { try sample.open(dump([0, 2, 1, 3])) }
    #expect(throws: DumpOpeningError.chunkNotAuthentic(2)) { try sample.open(dump([0, 1, 1, 3])) }
    #expect(throws: DumpOpeningError.chunkNotAuthentic(2)) { try sample.open(dump([0, 1, 3])) }
    #expect(throws: DumpOpeningError.incomplete) { try sample.open(dump([0, 1, 2])) }
    #expect(throws: DumpOpeningError.incomplete) { try sample.open(dump([])) }
    #expect(throws: DumpOpeningError.chunkNotAuthentic(3)) {
      try sample.open(dump([0, 1, 2, 3, 3]))
    }
  }

  @Test func `a truncated bit that the device did not set is refused`() throws {
    for isTruncated in [false, true] {
      var sealed = try sample.sealer().seal(
        SealedSample.plain(size: 3000, isTruncated: isTruncated))
      sealed[104] ^= 1
      #expect(throws: DumpOpeningError.incomplete) { try sample.open(withRightChecksums(sealed)) }
    }
  }

  @Test func `a dump that was cut opens up to where it ends`() throws {
    let plain = SealedSample.plain(size: 3000)
    let sealed = try sample.sealer().seal(plain)
    for length in 0...sealed.count {
      let cut = Array(sealed[..<length])
      guard length >= 1152 || length == sealed.count else {
        #expect(throws: DumpOpeningError.self) { try sample.openWhatIsThere(cut) }
        continue
      }
      let opened = try sample.openWhatIsThere(cut)
      let body = length == sealed.count ? 3000 : 944 + (length - 1152) / 1024 * 1008
      #expect(opened.bytes[128...] == plain[128..<128 + body])
      #expect(opened.isComplete == (length == sealed.count))
      let prologue = try opened.bytes.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
      #expect(prologue.header.encoding == .blocks)
      #expect(prologue.commit.isTruncated != opened.isComplete)
      if length < sealed.count { #expect(throws: DumpOpeningError.self) { try sample.open(cut) } }
    }
  }

  @Test func `a damaged chunk in the middle of a cut dump is not passed over`() throws {
    var sealed = try sample.sealer().seal(SealedSample.plain(size: 3000))
    sealed[1500] ^= 1
    #expect(throws: DumpOpeningError.chunkNotAuthentic(1)) {
      try sample.openWhatIsThere(sealed)
    }
  }

  @Test func `another device, key, epoch or key id opens nothing`() throws {
    let other = SealedSample()
    let sealed = try sample.sealer().seal(SealedSample.plain(size: 100))
    let dump = try SealedDump(sealed)
    #expect(throws: DumpOpeningError.chunkNotAuthentic(0)) {
      try dump.open(
        with: other.sealingKey, device: sample.device, devicePublicKey: sample.deviceKey.publicKey)
    }
    #expect(throws: DumpOpeningError.chunkNotAuthentic(0)) {
      try dump.open(
        with: sample.sealingKey, device: other.device, devicePublicKey: sample.deviceKey.publicKey)
    }
    #expect(throws: DumpOpeningError.chunkNotAuthentic(0)) {
      try dump.open(
        with: sample.sealingKey, device: sample.device, devicePublicKey: other.deviceKey.publicKey)
    }
    for field in [72, 132] {
      var changed = sealed
      changed[field] ^= 1
      #expect(throws: DumpOpeningError.chunkNotAuthentic(0)) {
        try sample.open(withRightChecksums(changed))
      }
    }
  }

  @Test func `keys of small order are refused`() throws {
    // RFC 7748, 6.1: every private key agrees on zeros with these.
    for first in [UInt8(0), 1] {
      let point = [first] + [UInt8](repeating: 0, count: 31)
      let weak = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: point)
      var sealed = try sample.sealer().seal(SealedSample.plain(size: 100))
      #expect(throws: DumpOpeningError.unusableKey) {
        try SealedDump(sealed).open(
          with: sample.sealingKey, device: sample.device, devicePublicKey: weak)
      }
      sealed.replaceSubrange(160..<192, with: point)
      #expect(throws: DumpOpeningError.unusableKey) {
        try sample.open(withRightChecksums(sealed))
      }
      #expect(throws: DumpOpeningError.unusableKey) {
        try DumpSealer(
          devicePrivateKey: sample.deviceKey, sealingKey: weak, sealingKeyID: 1, consentEpoch: 1)
      }
    }
  }

  @Test func `bytes that are no sealed dump are refused by name`() throws {
    #expect(throws: DumpOpeningError.notADump(.tooShort)) { try SealedDump([]) }
    #expect(throws: DumpOpeningError.notSealed) { try SealedDump(SealedSample.plain(size: 100)) }
    let sealed = try sample.sealer().seal(SealedSample.plain(size: 100))
    #expect(throws: DumpOpeningError.envelopeDamaged) { try SealedDump(Array(sealed[..<191])) }
    var other = sealed
    other[131] ^= 1
    #expect(throws: DumpOpeningError.envelopeDamaged) { try SealedDump(withRightChecksums(other)) }
  }

  @Test func `any bytes are safe`() throws {
    var generator = SeededGenerator.fromEnvironment()
    let sealed = try sample.sealer().seal(SealedSample.plain(size: 3000))
    for _ in 0..<300 {
      var bytes = sealed
      for _ in 0..<Int.random(in: 1...20, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
      #expect(throws: DumpOpeningError.self, "seed \(generator.seed)") { try sample.open(bytes) }
      _ = try? sample.openWhatIsThere(
        bytes.count >= DumpPrologue.size ? withRightChecksums(bytes) : bytes)
    }
  }
}

extension OpenedDump {
  /// A whole dump, as it ought to open.
  fileprivate init(_ plain: [UInt8]) { self.init(bytes: plain, isComplete: true) }
}
