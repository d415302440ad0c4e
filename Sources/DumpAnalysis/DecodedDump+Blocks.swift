// The walk over the blocks of a dump's body.

import DumpFormat

/// Where a block stands, for errors.
private struct Place {
  var number: Int
  var offset: Int
  var type: BlockType

  func error(_ what: String) -> DumpAnalysisError {
    .malformed("Block \(number) (\(type.name)) at offset \(offset) of the body \(what)")
  }
}

extension BlockType {
  /// The name that docs/formats/dump.md gives the type.
  var name: String {
    switch self {
    case .core: "core"
    case .faultStatus: "faultStatus"
    case .floatingPoint: "floatingPoint"
    case .mpu: "mpu"
    case .nvic: "nvic"
    case .sysTick: "sysTick"
    case .memory: "memory"
    case .redaction: "redaction"
    case .breadcrumbs: "breadcrumbs"
    case .reason: "reason"
    case .image: "image"
    case .end: "end"
    default: "type \(rawValue)"
    }
  }
}

extension DecodedDump {
  /// Decodes every block. A truncated dump is decoded as far as it goes.
  mutating func decode(_ body: ByteReader) throws(DumpAnalysisError) {
    var offset = 0
    var blocks = 0
    var seen: Set<UInt16> = []
    while offset < body.count {
      guard let head = body.slice(offset, BlockHeader.size), let header = blockHeader(head) else {
        guard isTruncated else {
          throw .malformed(
            "The body ends at offset \(body.count) inside the header of block \(blocks)")
        }
        return
      }
      let place = Place(number: blocks, offset: offset, type: header.type)
      let start = offset + BlockHeader.size
      let available = body.count - start
      var isCut = header.isTruncated
      var length = Int(header.length)
      if length > available {
        guard isTruncated else {
          throw place.error("claims \(length) bytes where \(available) follow")
        }
        (length, isCut) = (available, true)
      }
      guard let content = body.slice(start, length) else {
        throw place.error("lies outside the body")
      }
      if header.type == .end {
        // The count of a block that was cut off is no count.
        if !isCut || length == 4 { try checkEnd(ByteReader(content), blocks: blocks, at: place) }
        let next = start + length + Int(header.padding)
        guard next >= body.count else {
          throw place.error("is not the last: \(body.count - next) bytes follow")
        }
        return
      }
      if header.type.isSingle, !seen.insert(header.type.rawValue).inserted {
        throw place.error("is the second of its type")
      }
      try take(header, ByteReader(content), isCut: isCut, at: place)
      offset = start + length + Int(header.padding)
      blocks += 1
    }
    guard isTruncated else { throw .malformed("The body has no end block after block \(blocks)") }
  }

  private func blockHeader(_ bytes: ArraySlice<UInt8>) -> BlockHeader? {
    bytes.withUnsafeBytes { try? BlockHeader(decoding: $0) }
  }

  private func checkEnd(_ content: ByteReader, blocks: Int, at place: Place)
    throws(DumpAnalysisError)
  {
    guard content.count == 4, let count = content.word(0) else {
      throw place.error("holds \(content.count) bytes instead of 4")
    }
    guard count == UInt32(clamping: blocks) else {
      throw place.error("counts \(count) blocks where \(blocks) stand")
    }
  }

  private mutating func take(
    _ header: BlockHeader, _ content: ByteReader, isCut: Bool, at place: Place
  ) throws(DumpAnalysisError) {
    /// The content as words: exactly `count` of them unless it was cut off.
    func words(_ count: Int) throws(DumpAnalysisError) -> [UInt32] {
      let expected = count * 4
      guard content.count == expected || isCut && content.count < expected else {
        throw place.error("holds \(content.count) bytes instead of \(expected)")
      }
      return content.words
    }
    switch header.type {
    case .core: core = CoreRegisters(words: try words(CoreRegisters.wordCount))
    case .faultStatus: faultStatus = FaultStatus(words: try words(FaultStatus.wordCount))
    case .floatingPoint:
      floatingPoint = FloatingPointRegisters(words: try words(FloatingPointRegisters.wordCount))
    case .sysTick: sysTick = SysTickState(words: try words(SysTickState.wordCount))
    case .image:
      let words = try words(2)
      if words.count == 2 { image = ImageRange(codeStart: words[0], codeLength: words[1]) }
    case .mpu:
      guard isCut || content.count >= 8 && content.count % 8 == 0 else {
        throw place.error("holds \(content.count) bytes, which are no pairs of words")
      }
      mpu = MPUState(words: content.words)
    case .nvic: try takeNVIC(content, isCut: isCut, at: place)
    case .memory: try takeMemory(header, content, isCut: isCut, at: place)
    case .redaction: try takeRedactions(content, isCut: isCut, at: place)
    case .breadcrumbs: try takeBreadcrumbs(content, isCut: isCut, at: place)
    case .reason:
      guard content.count <= BlockHeader.longestReason else {
        throw place.error("holds \(content.count) bytes, more than \(BlockHeader.longestReason)")
      }
      reason = String(decoding: content.rest(0), as: UTF8.self)
    default:
      unknownBlocks.append(
        UnknownBlock(type: header.type.rawValue, content: Array(content.rest(0))))
    }
  }

  private mutating func takeNVIC(_ content: ByteReader, isCut: Bool, at place: Place)
    throws(DumpAnalysisError)
  {
    let words = content.words
    guard let claimed = words.first else {
      guard isCut else { throw place.error("is empty") }
      return
    }
    // Armv7-M has 16 words of interrupts at most.
    guard claimed <= 16 else { throw place.error("claims \(claimed) words of interrupts") }
    let count = Int(claimed)
    let expected = 4 + count * 12
    guard content.count == expected || isCut && content.count < expected else {
      throw place.error("holds \(content.count) bytes instead of \(expected)")
    }
    let rest = words.dropFirst()
    nvic = NVICState(
      wordCount: count, enabled: Array(rest.prefix(count)),
      pending: Array(rest.dropFirst(count).prefix(count)),
      active: Array(rest.dropFirst(2 * count).prefix(count)))
  }

  private mutating func takeMemory(
    _ header: BlockHeader, _ content: ByteReader, isCut: Bool, at place: Place
  ) throws(DumpAnalysisError) {
    guard let address = content.word(0), let role = content.half(4), let id = content.half(6) else {
      guard isCut else {
        throw place.error("holds \(content.count) bytes, fewer than a memory block begins with")
      }
      return
    }
    let bytes = content.rest(BlockHeader.memoryPreamble)
    guard UInt64(address) + UInt64(bytes.count) <= 1 << 32 else {
      throw place.error("reaches beyond the last address from \(address.hex)")
    }
    memory.append(
      MemoryBlock(
        address: address, role: role, id: id, bytes: Array(bytes), isTruncated: isCut,
        isRedacted: header.isRedacted))
  }

  private mutating func takeRedactions(_ content: ByteReader, isCut: Bool, at place: Place)
    throws(DumpAnalysisError)
  {
    guard isCut || content.count % 8 == 0 else {
      throw place.error("holds \(content.count) bytes, which are no pairs of words")
    }
    let words = content.words
    for i in stride(from: 0, to: words.count - 1, by: 2) {
      let redaction = Redaction(address: words[i], length: words[i + 1])
      guard redaction.range.upperBound <= 1 << 32 else {
        throw place.error("reaches beyond the last address from \(redaction.address.hex)")
      }
      redactions.append(redaction)
    }
  }

  private mutating func takeBreadcrumbs(_ content: ByteReader, isCut: Bool, at place: Place)
    throws(DumpAnalysisError)
  {
    guard isCut || content.count % 16 == 0 else {
      throw place.error("holds \(content.count) bytes, which are no entries of 16")
    }
    for offset in stride(from: 0, to: content.count - 15, by: 16) {
      guard let uptime = content.double(offset), let id = content.word(offset + 8),
        let value = content.word(offset + 12)
      else { return }
      breadcrumbs.append(Breadcrumb(uptime: uptime, id: id, value: value))
    }
  }
}

extension BlockType {
  /// Whether a dump holds at most one block of the type.
  fileprivate var isSingle: Bool {
    switch self {
    case .core, .faultStatus, .floatingPoint, .mpu, .nvic, .sysTick, .breadcrumbs, .reason, .image:
      true
    default: false
    }
  }
}
