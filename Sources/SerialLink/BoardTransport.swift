// The narrow door between a board's line and everything above it.

/// Opens the line to a board.
///
/// One type per kind of line conforms. A connection lives as long as the body that uses it; it is
/// closed when the body returns, throws or is cancelled.
public protocol BoardTransport: Sendable {
  /// Connects, runs `body`, closes.
  ///
  /// - Throws: ``SerialLinkError`` when the line cannot be opened, `CancellationError` when the task
  ///   was cancelled, otherwise what `body` throws.
  func withConnection<Result: Sendable>(
    to address: BoardAddress,
    _ body: @Sendable (BoardInbound, BoardOutbound) async throws -> Result
  ) async throws -> Result

  /// Yields whenever something was attached that may be what `address` names, from the call on: then
  /// connecting is worth a try. A hint, not a promise; some lines appear without a word.
  func arrivals(at address: BoardAddress) -> AsyncStream<Void>
}

extension BoardTransport {
  /// For lines that appear without a word: a stream that ends at once.
  public func arrivals(at address: BoardAddress) -> AsyncStream<Void> { AsyncStream { nil } }
}

/// What arrives from a board, in chunks of any size. Ends when the other side closes; throws when
/// the line fails. It is iterated once.
public struct BoardInbound: AsyncSequence, Sendable {
  public typealias Element = [UInt8]
  public typealias Failure = any Error

  private let base: any AsyncSequence<[UInt8], any Error> & Sendable

  public init(_ base: any AsyncSequence<[UInt8], any Error> & Sendable) { self.base = base }

  public struct Iterator: AsyncIteratorProtocol {
    private var base: any AsyncIteratorProtocol<[UInt8], any Error>

    fileprivate init<Base: AsyncSequence>(_ base: Base)
    where Base.Element == [UInt8], Base.Failure == any Error {
      self.base = base.makeAsyncIterator()
    }

    public mutating func next() async throws -> [UInt8]? { try await next(isolation: #isolation) }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> [UInt8]? {
      try await base.next(isolation: actor)
    }
  }

  public func makeAsyncIterator() -> Iterator { Iterator(base) }
}

/// What goes to a board.
public struct BoardOutbound: Sendable {
  private let send: @Sendable ([UInt8]) async throws -> Void

  public init(_ send: @escaping @Sendable ([UInt8]) async throws -> Void) { self.send = send }

  /// Writes `bytes` in order; returns when the line took them.
  public func write(_ bytes: [UInt8]) async throws { try await send(bytes) }
}
