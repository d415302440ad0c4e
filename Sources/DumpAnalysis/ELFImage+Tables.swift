// The tables of an ELF file: section headers, symbols, notes.

import DumpFormat

extension ELFImage {
  static let noBits: UInt32 = 8
  private static let symbolTable: UInt32 = 2
  private static let note: UInt32 = 7
  private static let functionType: UInt8 = 2

  static func readSections(_ file: ByteReader, _ damaged: (String) -> DumpAnalysisError)
    throws(DumpAnalysisError) -> [Section]
  {
    guard let table = file.word(32), let entrySize = file.half(46), let count = file.half(48),
      let nameIndex = file.half(50)
    else { throw damaged("it ends inside its header") }
    if count == 0 { return [] }
    guard entrySize >= 40 else { throw damaged("its section headers are too short") }
    guard file.slice(Int(table), Int(count) * Int(entrySize)) != nil else {
      throw damaged("its section headers lie outside of it")
    }
    var sections: [Section] = []
    var names: [UInt32] = []
    for i in 0..<Int(count) {
      let base = Int(table) + i * Int(entrySize)
      let words = (0..<10).compactMap { file.word(base + $0 * 4) }
      guard words.count == 10 else { throw damaged("its section headers lie outside of it") }
      names.append(words[0])
      sections.append(
        Section(
          name: "", type: words[1], flags: words[2], address: words[3], offset: words[4],
          size: words[5], link: words[6]))
      if words[1] != 0, words[1] != noBits, file.slice(Int(words[4]), Int(words[5])) == nil {
        throw damaged("section \(i) lies outside of it")
      }
    }
    guard Int(nameIndex) < sections.count else { return sections }
    let table2 = sections[Int(nameIndex)]
    guard table2.type != noBits, let bytes = file.slice(Int(table2.offset), Int(table2.size)) else {
      return sections
    }
    let strings = ByteReader(bytes)
    for i in sections.indices { sections[i].name = strings.text(Int(names[i])) ?? "" }
    return sections
  }

  static func readFunctions(_ file: ByteReader, _ sections: [Section]) -> [Function] {
    var found: [(function: Function, section: Int)] = []
    for table in sections where table.type == symbolTable {
      guard let entries = file.slice(Int(table.offset), Int(table.size)),
        Int(table.link) < sections.count, sections[Int(table.link)].type != noBits,
        let text = file.slice(
          Int(sections[Int(table.link)].offset), Int(sections[Int(table.link)].size))
      else { continue }
      let (symbols, strings) = (ByteReader(entries), ByteReader(text))
      for base in stride(from: 0, to: symbols.count - 15, by: 16) {
        guard let info = symbols.byte(base + 12), info & 0xF == functionType,
          let section = symbols.half(base + 14), section != 0, Int(section) < sections.count,
          let name = symbols.word(base).flatMap({ strings.text(Int($0)) }), !name.isEmpty,
          let value = symbols.word(base + 4), let size = symbols.word(base + 8)
        else { continue }
        found.append((Function(name: name, address: value & ~1, size: size), Int(section)))
      }
    }
    // Among aliases the one that knows its size comes last, which is where lookups end.
    found.sort { ($0.function.address, $0.function.size) < ($1.function.address, $1.function.size) }
    for i in found.indices where found[i].function.size == 0 {
      let section = sections[found[i].section]
      let next = i + 1 < found.count ? UInt64(found[i + 1].function.address) : UInt64.max
      let end = min(next, section.range.upperBound)
      let start = UInt64(found[i].function.address)
      found[i].function.size = end > start ? UInt32(clamping: end - start) : 0
    }
    return found.map(\.function)
  }

  static func readBuildID(_ file: ByteReader, _ sections: [Section]) -> BuildID? {
    for section in sections where section.type == note {
      guard let bytes = file.slice(Int(section.offset), Int(section.size)) else { continue }
      let notes = ByteReader(bytes)
      var offset = 0
      while let nameSize = notes.word(offset), let size = notes.word(offset + 4),
        let type = notes.word(offset + 8)
      {
        let nameStart = offset + 12
        let start = nameStart + (Int(nameSize) + 3) & ~3
        if type == 3, let name = notes.slice(nameStart, Int(nameSize)),
          name.elementsEqual("GNU\0".utf8),
          Int(size) == BuildID.count, let id = notes.slice(start, BuildID.count)
        {
          var buildID = BuildID()
          for (i, byte) in id.enumerated() { buildID.bytes[i] = byte }
          return buildID
        }
        offset = start + (Int(size) + 3) & ~3
      }
    }
    return nil
  }
}
