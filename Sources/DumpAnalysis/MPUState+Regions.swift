// The memory protection unit's registers in terms of regions, after the ARMv7-M manual, B3.5.

extension MPUState {
  /// Who may do what in a region.
  public enum Access: String, Codable, Sendable {
    case none
    case read
    case readWrite
  }

  /// A region as its two registers describe it.
  public struct DecodedRegion: Equatable, Sendable {
    /// Whether the region is in force.
    public var isEnabled: Bool
    public var base: UInt32
    /// Bytes; `nil` for a size that the manual reserves. A region of all memory has 2^32.
    public var size: UInt64?
    /// What privileged code may do; `nil` for a value that the manual reserves.
    public var privileged: Access?
    /// What other code may do; `nil` for a value that the manual reserves.
    public var unprivileged: Access?
    /// Whether code may not run there (XN).
    public var isExecuteNever: Bool
    /// Eighths of the region, 0 to 7, where it does not apply; empty for regions below 256 bytes.
    public var disabledSubregions: [Int]
  }

  /// Whether the unit was on; `nil` when not known.
  public var isEnabled: Bool? { control.map { $0 & 1 != 0 } }
  /// Whether it stays on in HardFault and NMI handlers.
  public var coversFaultHandlers: Bool? { control.map { $0 & 2 != 0 } }
  /// Whether privileged code may use what no region covers.
  public var hasPrivilegedDefault: Bool? { control.map { $0 & 4 != 0 } }
}

extension MPUState.Region {
  /// The region in words of the architecture.
  public var decoded: MPUState.DecodedRegion {
    let exponent = (rasr >> 1 & 0x1F) + 1
    let size: UInt64? = exponent >= 5 ? 1 << UInt64(exponent) : nil
    let (privileged, unprivileged) = access
    return MPUState.DecodedRegion(
      isEnabled: rasr & 1 != 0,
      base: UInt32(truncatingIfNeeded: UInt64(rbar) & ~((size ?? 32) - 1)), size: size,
      privileged: privileged, unprivileged: unprivileged, isExecuteNever: rasr & 1 << 28 != 0,
      disabledSubregions: exponent >= 8 ? (0..<8).filter { rasr & 1 << (8 + $0) != 0 } : [])
  }

  /// B3.5.9, table B3-15.
  private var access: (MPUState.Access?, MPUState.Access?) {
    switch rasr >> 24 & 7 {
    case 0: (MPUState.Access.none, MPUState.Access.none)
    case 1: (.readWrite, MPUState.Access.none)
    case 2: (.readWrite, .read)
    case 3: (.readWrite, .readWrite)
    case 5: (.read, MPUState.Access.none)
    case 6, 7: (.read, .read)
    default: (nil, nil)
    }
  }
}
