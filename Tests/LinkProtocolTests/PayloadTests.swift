// Payloads: each lies where docs/formats/link.md says, comes back, and is refused in any other length.

import ConsentLease
import DumpFormat
import LinkProtocol
import Testing

/// The payload that `append` writes.
private func payload(_ type: FrameType, _ append: (inout FrameWriter) -> Void) -> [UInt8] {
  var buffer = [UInt8](repeating: 0, count: 512)
  let length = buffer.withUnsafeMutableBytes { raw -> Int? in
    var writer = FrameWriter(type, sequence: 1, into: raw)
    append(&writer)
    return writer.finish()
  }
  return Line(Array(buffer.prefix(length ?? 0))).frames.first?.payload ?? []
}

/// Decodes a copy that ends where the payload does.
private func decode<Value>(
  _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(LinkError) -> Value
) throws(LinkError) -> Value {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(rebasing: copy[..<bytes.count]))
}

private func expectOneLength<Value>(
  _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(LinkError) -> Value
) {
  #expect(throws: Never.self) { _ = try decode(bytes, body) }
  for length in 0..<bytes.count {
    #expect(throws: LinkError.wrongLength) { _ = try decode(Array(bytes.prefix(length)), body) }
  }
  #expect(throws: LinkError.wrongLength) { _ = try decode(bytes + [0], body) }
}

@Suite struct PayloadTests {
  private let key = DumpKey(bootCount: 0x0403_0201, sequence: 0x0807_0605)
  private let keyBytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]

  @Test func `what the host asks lies where the protocol says`() throws {
    let welcome = payload(.welcome) { Welcome(version: 1, largestFrame: 0x0403).append(to: &$0) }
    #expect(welcome == [1, 3, 4])
    #expect(
      try decode(welcome) { bytes throws(LinkError) in try Welcome(decoding: bytes) }
        == Welcome(version: 1, largestFrame: 0x0403))
    let next = payload(.next) { Next(after: key).append(to: &$0) }
    #expect(next == keyBytes)
    #expect(
      try decode(next) { bytes throws(LinkError) in try Next(decoding: bytes) } == Next(after: key))
    let fetched = Fetch(key: key, transfer: 9, offset: 0x0C_0B0A, length: 0x0F_0E0D)
    let fetch = payload(.fetch) { fetched.append(to: &$0) }
    #expect(fetch == keyBytes + [9, 10, 11, 12, 13, 14, 15])
    #expect(try decode(fetch) { bytes throws(LinkError) in try Fetch(decoding: bytes) } == fetched)
    let receipt = payload(.receipt) { Receipt(key: key, verdict: .notWanted).append(to: &$0) }
    #expect(receipt == keyBytes + [2])
    #expect(
      try decode(receipt) { bytes throws(LinkError) in try Receipt(decoding: bytes) }
        == Receipt(key: key, verdict: .notWanted))
    let tally = payload(.tally) { TallyRequest(position: 0x0201).append(to: &$0) }
    #expect(tally == [1, 2])
    #expect(
      try decode(tally) { bytes throws(LinkError) in try TallyRequest(decoding: bytes) }
        == TallyRequest(position: 0x0201))
  }

  @Test func `a crash count lies where the protocol says`() throws {
    let count = CrashCount(
      nextPosition: 0x0201, fingerprint: Fingerprint(rawValue: 0x0A09_0807_0605_0403),
      firstBoot: 0x0E0D_0C0B, firstUptime: 0x1211_100F, lastBoot: 0x1615_1413,
      lastUptime: CrashCount.unknownUptime, count: 0x1E1D_1C1B)
    let bytes = payload(.count) { count.append(to: &$0) }
    #expect(bytes == (1...22).map { UInt8($0) } + [255, 255, 255, 255] + [27, 28, 29, 30])
    #expect(bytes.count == CrashCount.size)
    #expect(
      try decode(bytes) { bytes throws(LinkError) in try CrashCount(decoding: bytes) } == count)
  }

  @Test func `what the board answers lies where the protocol says`() throws {
    let prologue = (0..<128).map { UInt8($0) }
    let offer = prologue.withUnsafeBytes { raw in
      payload(.offer) { Offer(key: key, totalLength: 0x0001_0203, prologue: raw).append(to: &$0) }
    }
    #expect(offer == keyBytes + [3, 2, 1, 0] + prologue)
    let data = [7, 8, 9].withUnsafeBytes { raw in
      payload(.data) { DataRun(transfer: 4, offset: 0x03_0201, bytes: raw).append(to: &$0) }
    }
    #expect(Array(data.prefix(4)) == [4, 1, 2, 3])
    let status = LeaseStatus(state: .denied, refusal: .olderEpoch, secondsLeft: 0x0403_0201)
    #expect(payload(.leaseStatus) { status.append(to: &$0) } == [2, 8, 1, 2, 3, 4])
    #expect(
      payload(.done) { Done(key: key, status: .flashFailed).append(to: &$0) } == keyBytes + [2])
    #expect(payload(.starting) { Starting(reason: .timeLimit).append(to: &$0) } == [4])
    #expect(
      payload(.refused) { Refused(request: 0x99, code: .noLease).append(to: &$0) } == [0x99, 5])
  }

  @Test func `HELLO lies where the protocol says`() {
    var hello = Hello()
    hello.largestFrame = 1035
    for i in 0..<64 { hello.deviceID.bytes[i] = UInt8(i + 1) }
    for i in 0..<20 { hello.buildID.bytes[i] = UInt8(0xB0 + i) }
    hello.imageVersion[0] = 0x32
    hello.bootCount = 0x0403_0201
    hello.resetCause = .watchdog
    hello.leaseState = .suspended
    hello.leaseSeconds = 0x0807_0605
    for i in 0..<16 { hello.nonce.bytes[i] = UInt8(0xC0 + i) }
    hello.dumpsWaiting = 0x0A09
    hello.uncapturedCrashes = 0x0E0D_0C0B
    hello.phase = .application
    var golden: [UInt8] = [1, 1, 0x0B, 0x04]
    golden += (0..<64).map { UInt8($0 + 1) } + (0..<20).map { UInt8(0xB0 + $0) }
    golden += [0x32] + [UInt8](repeating: 0, count: 15) + [1, 2, 3, 4, 2, 4, 5, 6, 7, 8]
    golden += (0..<16).map { UInt8(0xC0 + $0) } + [9, 10, 11, 12, 13, 14, 1]
    #expect(payload(.hello) { hello.append(to: &$0) } == golden)
    #expect(golden.count == Hello.size)
  }

  @Test func `no payload is read in another length than its own`() {
    expectOneLength([1, 0, 1]) { bytes throws(LinkError) in try Welcome(decoding: bytes) }
    expectOneLength(keyBytes) { bytes throws(LinkError) in try Next(decoding: bytes) }
    expectOneLength([UInt8](repeating: 1, count: 15)) { bytes throws(LinkError) in
      try Fetch(decoding: bytes)
    }
    expectOneLength(keyBytes + [1]) { bytes throws(LinkError) in try Receipt(decoding: bytes) }
    expectOneLength([UInt8](repeating: 1, count: 140)) { bytes throws(LinkError) in
      try Offer(decoding: bytes).totalLength
    }
    expectOneLength([1, 0, 0, 0, 0, 0]) { bytes throws(LinkError) in
      try LeaseStatus(decoding: bytes)
    }
    expectOneLength(keyBytes + [0]) { bytes throws(LinkError) in try Done(decoding: bytes) }
    expectOneLength([4]) { bytes throws(LinkError) in try Starting(decoding: bytes) }
    expectOneLength([1, 2]) { bytes throws(LinkError) in try TallyRequest(decoding: bytes) }
    expectOneLength([UInt8](repeating: 1, count: CrashCount.size)) { bytes throws(LinkError) in
      try CrashCount(decoding: bytes)
    }
    expectOneLength([0x81, 1]) { bytes throws(LinkError) in try Refused(decoding: bytes) }
    for length in 0..<4 {
      #expect(throws: LinkError.wrongLength) {
        _ = try decode([UInt8](repeating: 1, count: length)) { bytes throws(LinkError) in
          try DataRun(decoding: bytes).offset
        }
      }
    }
  }

  @Test func `numbers outside a closed list are refused`() {
    func invalid<Value>(
      _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(LinkError) -> Value
    ) {
      #expect(throws: LinkError.invalidField) { _ = try decode(bytes, body) }
    }
    for verdict in [0, 4, 255] as [UInt8] {
      invalid(keyBytes + [verdict]) { bytes throws(LinkError) in try Receipt(decoding: bytes) }
    }
    invalid(keyBytes + [3]) { bytes throws(LinkError) in try Done(decoding: bytes) }
    invalid([5]) { bytes throws(LinkError) in try Starting(decoding: bytes) }
    for code in [0, 8] as [UInt8] {
      invalid([1, code]) { bytes throws(LinkError) in try Refused(decoding: bytes) }
    }
    invalid([6, 0, 0, 0, 0, 0]) { bytes throws(LinkError) in try LeaseStatus(decoding: bytes) }
    invalid([0, 13, 0, 0, 0, 0]) { bytes throws(LinkError) in try LeaseStatus(decoding: bytes) }
    for size in [0, 63, 4097] as [UInt16] {
      invalid([1, UInt8(size & 0xFF), UInt8(size >> 8)]) { bytes throws(LinkError) in
        try Welcome(decoding: bytes)
      }
    }
    // COUNT: no crash at all.
    invalid([UInt8](repeating: 1, count: 26) + [0, 0, 0, 0]) { bytes throws(LinkError) in
      try CrashCount(decoding: bytes)
    }
    // HELLO: versions the wrong way round, a frame too small, an unknown cause, state and phase.
    let good = payload(.hello) { Hello().append(to: &$0) }
    for (offset, value) in [(0, 2), (2, 63), (108, 6), (109, 6), (136, 2)] as [(Int, UInt8)] {
      var hello = good
      hello[offset] = value
      if offset == 2 { hello[3] = 0 }
      invalid(hello) { bytes throws(LinkError) in try Hello(decoding: bytes).bootCount }
    }
  }
}
