// All symbols of an ELF file, data and undefined ones included.

import DumpAnalysis

/// The `.symtab` section, entry by entry.
struct SymbolTable {
  struct Symbol {
    var name: String
    var value: UInt32
    /// 0 means undefined.
    var section: UInt16
    /// `STT_*`: 3 is a section's, 4 a file's.
    var type: UInt8
  }

  var symbols: [Symbol] = []

  init(_ elf: ELFImage) {
    guard let table = elf.sections.first(where: { $0.name == ".symtab" }),
      let strings = elf.sections.first(where: { $0.name == ".strtab" }),
      let entries = elf.content(of: table).map(Array.init),
      let text = elf.content(of: strings).map(Array.init)
    else { return }
    for at in stride(from: 0, to: entries.count - 15, by: 16) {
      let name = text[Int(entries.word(at))...].prefix { $0 != 0 }
      symbols.append(
        Symbol(
          name: String(decoding: name, as: UTF8.self), value: entries.word(at + 4),
          section: UInt16(entries.word(at + 12) >> 16), type: entries[at + 12] & 0xF))
    }
  }
}

extension [UInt8] {
  /// Four bytes, little endian.
  func word(_ at: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(self[at + $1]) << (8 * UInt32($1)) }
  }

  /// Two bytes, little endian.
  func half(_ at: Int) -> UInt16 { UInt16(self[at]) | UInt16(self[at + 1]) << 8 }
}
