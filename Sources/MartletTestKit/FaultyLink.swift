// One direction of a line that drops, flips, doubles, swaps and delays what it carries.

/// One direction of a bad serial line. The same seed and the same calls have the same results.
///
/// What one ``send(_:)`` passes is a chunk. Time is counted in ticks that the test lets pass.
public struct FaultyLink: Sendable {
  /// How bad the line is. Rates are probabilities, 0 to 1.
  public struct Faults: Sendable {
    /// Of each byte: it is lost.
    public var dropByte = 0.0
    /// Of each byte: one of its bits is flipped.
    public var flipBit = 0.0
    /// Of each byte: it arrives twice.
    public var duplicateByte = 0.0
    /// Of each chunk: it is lost.
    public var dropChunk = 0.0
    /// Of each chunk: it arrives again, up to ``reorderSpan`` ticks later.
    public var duplicateChunk = 0.0
    /// Of each chunk: later ones may overtake it, by up to ``reorderSpan`` ticks.
    public var reorderChunk = 0.0
    /// Ticks that a chunk is held up when it is doubled or overtaken, at least 1.
    public var reorderSpan = 4
    /// Ticks between sending and arrival.
    public var delay = 0...0

    /// A perfect line.
    public init() {}

    /// A line that shows every fault at the given rate for chunks, a twentieth of it for bytes.
    public static func everything(rate: Double) -> Faults {
      var faults = Faults()
      faults.dropByte = rate / 20
      faults.flipBit = rate / 20
      faults.duplicateByte = rate / 20
      faults.dropChunk = rate
      faults.duplicateChunk = rate
      faults.reorderChunk = rate
      faults.delay = 0...3
      return faults
    }
  }

  /// What has happened so far.
  public struct Counts: Sendable, Equatable {
    public var droppedBytes = 0
    public var flippedBits = 0
    public var duplicatedBytes = 0
    public var droppedChunks = 0
    public var duplicatedChunks = 0
    public var reorderedChunks = 0

    public init() {}
  }

  private struct Chunk: Sendable {
    var arrival: Int
    var bytes: [UInt8]
  }

  /// May be changed at any time; chunks under way keep what they have.
  public var faults: Faults
  public private(set) var counts = Counts()
  private var generator: SeededGenerator
  private var now = 0
  private var lastArrival = 0
  /// Under way, in the order of arrival.
  private var chunks: [Chunk] = []
  /// Arrived, not yet received.
  private var arrived: [UInt8] = []

  public init(faults: Faults = Faults(), generator: SeededGenerator) {
    self.faults = faults
    self.generator = generator
  }

  /// Bytes that are under way or wait to be received.
  public var inFlight: Int { chunks.reduce(arrived.count) { $0 + $1.bytes.count } }

  /// Puts a chunk on the line.
  public mutating func send(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    guard !generator.chance(faults.dropChunk) else {
      counts.droppedChunks += 1
      counts.droppedBytes += bytes.count
      return
    }
    var arrival = max(lastArrival, now + Int.random(in: faults.delay, using: &generator))
    if generator.chance(faults.reorderChunk) {
      counts.reorderedChunks += 1
      arrival += heldUp()
    } else {
      lastArrival = arrival
    }
    enqueue(Chunk(arrival: arrival, bytes: damaged(bytes)))
    if generator.chance(faults.duplicateChunk) {
      counts.duplicatedChunks += 1
      counts.duplicatedBytes += bytes.count
      enqueue(Chunk(arrival: arrival + heldUp(), bytes: damaged(bytes)))
    }
    deliver()
  }

  /// Lets time pass.
  public mutating func advance(ticks: Int = 1) {
    now += max(0, ticks)
    deliver()
  }

  /// Takes what has arrived.
  public mutating func receive(atMost limit: Int = .max) -> [UInt8] {
    let taken = Array(arrived.prefix(max(0, limit)))
    arrived.removeFirst(taken.count)
    return taken
  }

  /// Loses everything that is under way, as pulling the plug does.
  public mutating func disconnect() {
    counts.droppedBytes += inFlight
    chunks = []
    arrived = []
    lastArrival = now
  }

  // MARK: - Chance

  private mutating func heldUp() -> Int {
    Int.random(in: 1...max(1, faults.reorderSpan), using: &generator)
  }

  private mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes {
      if generator.chance(faults.dropByte) {
        counts.droppedBytes += 1
        continue
      }
      var byte = byte
      if generator.chance(faults.flipBit) {
        counts.flippedBits += 1
        byte ^= 1 << UInt8.random(in: 0...7, using: &generator)
      }
      result.append(byte)
      if generator.chance(faults.duplicateByte) {
        counts.duplicatedBytes += 1
        result.append(byte)
      }
    }
    return result
  }

  private mutating func enqueue(_ chunk: Chunk) {
    let index = chunks.lastIndex { $0.arrival <= chunk.arrival }.map { $0 + 1 } ?? 0
    chunks.insert(chunk, at: index)
  }

  private mutating func deliver() {
    let due = chunks.prefix { $0.arrival <= now }
    for chunk in due { arrived += chunk.bytes }
    chunks.removeFirst(due.count)
  }
}
