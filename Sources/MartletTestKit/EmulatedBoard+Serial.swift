// The host's end of an emulated board's serial line.

import BoardHost

extension EmulatedBoard {
  /// Puts bytes on the line to the board. Bytes sent to a board that is not running are lost and
  /// count as taken.
  ///
  /// - Returns: how many the line took; the others are lost.
  @discardableResult
  public func send(_ bytes: [UInt8]) -> Int {
    martlet_host_serial_send(board, bytes, bytes.count)
  }

  /// Takes what the board has written.
  ///
  /// - Parameter limit: at most so many bytes.
  public func receive(atMost limit: Int = .max) -> [UInt8] {
    let count = min(limit, martlet_host_serial_waiting(board))
    guard count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = martlet_host_serial_receive(board, buffer.baseAddress, count)
    }
  }

  /// Changes how many bytes the line takes; bytes under way are kept.
  ///
  /// - Parameters:
  ///   - toHost: bytes beyond which the board's writes are partial.
  ///   - toBoard: bytes beyond which the host's are lost.
  public func setLineCapacity(toHost: UInt32, toBoard: UInt32) {
    _ = martlet_host_serial_set_capacity(board, toHost, toBoard)
  }

  /// Paces the line in the board's own time, with the FIFOs of a UART at the board's end: its writes
  /// are partial once one is full, and what arrives while the other is full is lost and counted in
  /// `counters.overruns`.
  ///
  /// - Parameters:
  ///   - baud: bits a second, 10 to a byte; 0 ends pacing.
  ///   - fifo: bytes of each FIFO; a 16550 has 16.
  public func setBaud(_ baud: UInt32, fifo: UInt32 = 16) {
    _ = martlet_host_serial_set_baud(board, baud, fifo)
  }

  /// Runs `body` with `handler` called after each use that the board makes of its line, on the thread
  /// that made it: the other end can act in the board's own time, or let it pass with
  /// ``advance(by:)``.
  ///
  /// - Parameter handler: gets whether the board wrote (or read), and how many bytes.
  public func withSerialHandler<Result, Failure: Error>(
    _ handler: @escaping (_ wrote: Bool, _ count: Int) -> Void, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let box = SerialHandler(handler)
    let context = Unmanaged.passUnretained(box).toOpaque()
    martlet_host_on_serial(
      board,
      { context, wrote, count in
        guard let context else { return }
        Unmanaged<SerialHandler>.fromOpaque(context).takeUnretainedValue().run(wrote, count)
      }, context)
    defer {
      martlet_host_on_serial(board, nil, nil)
      withExtendedLifetime(box) {}
    }
    return try body()
  }

  /// Connects the line to a socket, pipe or tty instead of the queues. The descriptor is
  /// duplicated: the caller may close its own.
  ///
  /// - Throws: `cannotAttach`.
  public func attach(fileDescriptor: Int32) throws(EmulatedBoardError) {
    guard fileDescriptor >= 0, martlet_host_serial_attach(board, fileDescriptor) else {
      throw EmulatedBoardError(
        code: .cannotAttach, message: "descriptor \(fileDescriptor) cannot be the serial line",
        remedy: "Pass an open socket, pipe or tty.")
    }
  }

  /// Closes the board's descriptor and goes back to the queues.
  public func detach() {
    _ = martlet_host_serial_attach(board, -1)
  }
}

/// What a C function pointer can carry a Swift closure in.
private final class SerialHandler {
  let run: (Bool, Int) -> Void
  init(_ run: @escaping (Bool, Int) -> Void) { self.run = run }
}
