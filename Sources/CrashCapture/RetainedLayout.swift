// How Martlet divides the RAM that a warm reset keeps (docs/formats/ring.md, Retained RAM).

import BoardHAL
import ConsentLease
import DumpFormat

/// Places in retained RAM, bytes from its start.
public enum RetainedLayout {
  static let leftDump = ConsentGate.size
  static let leftDumpBytes = leftDump + 8
  /// Bytes a left-behind dump may have.
  public static let leftDumpCapacity = 512
}

/// The consent gate in this board's retained RAM. Contexts: boot, app, fault.
public func consentGate() -> ConsentGate { ConsentGate(memory: halRetained().start) }

/// The register-only dump that the fault path leaves in retained RAM when flash could not take one.
public struct LeftDump {
  /// "MLD1", little endian.
  private static let magic: UInt32 = 0x3144_4C4D

  private let memory: UnsafeMutableRawPointer

  /// The place in this board's retained RAM. Contexts: boot, app, fault.
  public init() { memory = halRetained().start }

  /// Where the dump's bytes go.
  var start: UnsafeMutableRawPointer { memory + RetainedLayout.leftDumpBytes }

  /// Makes the bytes at ``start`` count. They are checked by their own checksums when read.
  func mark(length: Int) {
    memory.store32(UInt32(truncatingIfNeeded: length), at: RetainedLayout.leftDump + 4)
    memory.store32(Self.magic, at: RetainedLayout.leftDump)
  }

  /// Puts another header in front of the dump that is there.
  public func replaceHeader(_ header: DumpHeader) { header.encode(to: start) }

  /// Removes the dump, its bytes included.
  public func clear() {
    for offset in stride(
      from: RetainedLayout.leftDump,
      to: RetainedLayout.leftDumpBytes + RetainedLayout.leftDumpCapacity, by: 4)
    {
      memory.store32(0, at: offset)
    }
  }

  /// The dump's bytes, when a whole and undamaged one is there.
  public var bytes: UnsafeRawBufferPointer? {
    let raw = UnsafeRawPointer(memory)
    let length = Int(truncatingIfNeeded: raw.load32(at: RetainedLayout.leftDump + 4))
    guard raw.load32(at: RetainedLayout.leftDump) == Self.magic,
      length >= DumpPrologue.size, length <= RetainedLayout.leftDumpCapacity
    else { return nil }
    let bytes = UnsafeRawBufferPointer(start: start, count: length)
    do throws(DumpFormatError) {
      _ = try DumpPrologue(verifyingDump: bytes)
      return bytes
    } catch {
      return nil
    }
  }
}
