// Where the parts of a sealed body lie (docs/formats/dump.md, Body, encoding 1).

import DumpFormat

/// Offsets and sizes in bytes.
enum SealedBodyLayout {
  static let envelopeSize = 64
  /// "MSE1".
  static let magic: [UInt8] = [0x4D, 0x53, 0x45, 0x31]
  static let sealingKeyID = 4
  static let salt = 16
  static let saltSize = 16
  static let encapsulatedKey = 32
  static let encapsulatedKeySize = 32
  /// Of a chunk with its tag; the first shares it with the envelope.
  static let largestChunk = 1024
  static let tagSize = 16

  /// Bytes of the chunk at `index` with its tag, when it is full.
  static func chunkSize(_ index: Int) -> Int {
    index == 0 ? largestChunk - envelopeSize : largestChunk
  }
}
