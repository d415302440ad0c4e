// RAM, code, retained RAM and identity of an emulated board.

import BoardHost

extension EmulatedBoard {
  /// Puts bytes into RAM or code at a board address.
  ///
  /// - Throws: `outOfRange`.
  public func setMemory(at address: UInt32, to bytes: [UInt8]) throws(EmulatedBoardError) {
    guard let length = UInt32(exactly: bytes.count),
      martlet_host_memory_set(board, address, bytes, length)
    else { throw .outside("memory") }
  }

  /// Copies bytes out of RAM or code at a board address.
  ///
  /// - Throws: `outOfRange`.
  public func memory(at address: UInt32, count: Int) throws(EmulatedBoardError) -> [UInt8] {
    guard let length = UInt32(exactly: count) else { throw .outside("memory") }
    var bytes = [UInt8](repeating: 0, count: count)
    guard martlet_host_memory_get(board, address, &bytes, length) else { throw .outside("memory") }
    return bytes
  }

  /// Retained RAM as the next warm start would find it. Set it only while no device code runs.
  public var retained: [UInt8] {
    get {
      var bytes = [UInt8](repeating: 0, count: Int(configuration.retainedSize))
      _ = martlet_host_retained_get(board, &bytes, configuration.retainedSize)
      return bytes
    }
    set {
      let bytes = Array(newValue.prefix(Int(configuration.retainedSize)))
      _ = martlet_host_retained_set(board, bytes, UInt32(bytes.count))
    }
  }

  /// The address that `halGuardStack` was last given in this boot; `nil` when no stack is guarded.
  public var guardedStack: UInt? {
    martlet_host_guarded_stack(board).map { UInt(bitPattern: $0) }
  }

  /// Takes the source of entropy away, or gives it back.
  public func setEntropy(works: Bool) { martlet_host_set_entropy(board, works) }

  /// Sets what `halImage` answers, as flashing another image does. Between two boots only.
  ///
  /// - Parameters:
  ///   - buildID: at most 20 bytes.
  ///   - version: at most 15 bytes of UTF-8.
  ///   - code: board addresses of the image's code; `nil`: all of the board's code.
  /// - Throws: `invalidValue`.
  public func setImage(
    buildID: [UInt8], version: String, code: Range<UInt32>? = nil
  ) throws(EmulatedBoardError) {
    let start = code?.lowerBound ?? configuration.codeStart
    let length = code.map { $0.upperBound - $0.lowerBound } ?? configuration.codeSize
    guard buildID.count <= 20,
      martlet_host_set_image(board, buildID, UInt32(buildID.count), version, start, length)
    else {
      throw EmulatedBoardError(
        code: .invalidValue, message: "build-id or version is too long",
        remedy: "A build-id has at most 20 bytes, a version at most 15.")
    }
  }
}
