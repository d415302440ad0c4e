// What the tests of the emulated board share.

import BoardHAL
import MartletTestKit

/// The flash offset most tests use: the start of the ring.
let ring: UInt32 = 0x100000
/// Bytes of a sector.
let sector: UInt32 = 4096

func program(_ bytes: [UInt8], at offset: UInt32) -> HALStatus {
  bytes.withUnsafeBytes { halFlashProgram(offset, $0.baseAddress, UInt32($0.count)) }
}

func read(_ count: Int, at offset: UInt32) -> (status: HALStatus, bytes: [UInt8]) {
  var bytes = [UInt8](repeating: 0, count: count)
  let status = bytes.withUnsafeMutableBytes {
    halFlashRead(offset, $0.baseAddress, UInt32($0.count))
  }
  return (status, bytes)
}

func write(_ bytes: [UInt8]) -> Int {
  bytes.withUnsafeBufferPointer { halSerialWrite($0.baseAddress, $0.count) }
}

func readLine(_ capacity: Int) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
    count = halSerialRead(buffer.baseAddress, capacity)
  }
}

func entropy(_ count: Int) -> (status: HALStatus, bytes: [UInt8]) {
  var bytes = [UInt8](repeating: 0, count: count)
  let status = bytes.withUnsafeMutableBufferPointer { halEntropy($0.baseAddress, $0.count) }
  return (status, bytes)
}

func filled(_ byte: UInt8, _ count: Int) -> [UInt8] {
  [UInt8](repeating: byte, count: count)
}

/// Cells from outside, for use where an error cannot be thrown; empty outside the part.
func cells(_ board: EmulatedBoard, _ count: Int, at offset: UInt32) -> [UInt8] {
  (try? board.nor(at: offset, count: count)) ?? []
}
