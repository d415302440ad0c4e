// The same checksum on a host, where whole dumps are checked again and again: by the processor's instruction,
// or eight bytes at a time.

#if !hasFeature(Embedded)
  #if canImport(CHostCRC)
    private import CHostCRC
  #endif

  extension CRC32C {
    /// From how many bytes on the call pays.
    static let fewestForHost = 64

    #if canImport(CHostCRC)
      private static let hasInstruction = martlet_has_crc32c()
    #endif

    /// What `bytes` make of the state `crc`.
    static func state(_ crc: UInt32, after bytes: UnsafeRawBufferPointer) -> UInt32 {
      #if canImport(CHostCRC)
        if hasInstruction, let start = bytes.baseAddress {
          return martlet_crc32c(crc, start, bytes.count)
        }
      #endif
      return tableState(crc, after: bytes)
    }

    /// The remainders of a byte at each of eight places.
    private static let tables: [UInt32] = {
      var tables = [UInt32](repeating: 0, count: 8 * 256)
      for byte in 0..<256 {
        var crc = UInt32(byte)
        for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        tables[byte] = crc
      }
      for place in 1..<8 {
        for byte in 0..<256 {
          let before = tables[(place - 1) * 256 + byte]
          tables[place * 256 + byte] = (before >> 8) ^ tables[Int(before & 0xFF)]
        }
      }
      return tables
    }()

    /// The same on a processor without the instruction.
    static func tableState(_ crc: UInt32, after bytes: UnsafeRawBufferPointer) -> UInt32 {
      tables.withUnsafeBufferPointer { tables in
        var crc = crc
        var at = 0
        while at + 8 <= bytes.count {
          let word =
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            ^ UInt64(crc)
          crc =
            tables[7 * 256 + Int(word & 0xFF)] ^ tables[6 * 256 + Int(word >> 8 & 0xFF)]
            ^ tables[5 * 256 + Int(word >> 16 & 0xFF)] ^ tables[4 * 256 + Int(word >> 24 & 0xFF)]
            ^ tables[3 * 256 + Int(word >> 32 & 0xFF)] ^ tables[2 * 256 + Int(word >> 40 & 0xFF)]
            ^ tables[256 + Int(word >> 48 & 0xFF)] ^ tables[Int(word >> 56)]
          at += 8
        }
        while at < bytes.count {
          crc = (crc >> 8) ^ tables[Int((crc ^ UInt32(bytes[at])) & 0xFF)]
          at += 1
        }
        return crc
      }
    }
  }
#endif
