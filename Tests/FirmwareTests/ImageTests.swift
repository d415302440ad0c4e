// What the firmware's ELF file must be, whatever the board does.

import DumpAnalysis
import Foundation
import Testing

@Suite struct ImageTests {
  @Test func `the firmware has no heap`() throws {
    let symbols = SymbolTable(try Firmware.image()).symbols
    #expect(symbols.count > 100, "the symbol table was read")
    let allocators = [
      "malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "sbrk", "_sbrk",
      "swift_once",
    ]
    let prefixes = [
      "swift_alloc", "swift_slowAlloc", "swift_slowDealloc", "swift_dealloc",
      "swift_initStackObject",
      "swift_retain", "swift_release",
    ]
    let found = symbols.map(\.name).filter { name in
      allocators.contains(name) || prefixes.contains { name.hasPrefix($0) }
    }
    #expect(found.isEmpty)
  }

  @Test func `the firmware leaves no symbol undefined`() throws {
    let symbols = SymbolTable(try Firmware.image()).symbols
    #expect(symbols.filter { $0.section == 0 && !$0.name.isEmpty }.map(\.name) == [])
  }

  @Test func `the image carries its build id in loaded memory`() throws {
    let image = try Firmware.image()
    #expect(try !image.requireBuildID().isMissing)
    let note = try #require(image.sections.first { $0.name == ".note.gnu.build-id" })
    #expect(segments(image).contains { $0.type == 1 && $0.covers(note.address, note.size) })
  }

  @Test func `the loader leaves alone what a reset keeps`() throws {
    let image = try Firmware.image()
    let kept = try #require(image.sections.first { $0.name == ".noinit" })
    #expect(kept.size > 0)
    let holders = segments(image).filter { $0.type == 1 && $0.covers(kept.address, kept.size) }
    #expect(holders.count == 1)
    #expect(holders.first?.fileSize == 0)
  }

  @Test func `the vector table lies at zero and begins at the top of the stack`() throws {
    let image = try Firmware.image()
    let vectors = try #require(image.sections.first { $0.name == ".vectors" })
    #expect(vectors.address == 0)
    let content = Array(try #require(image.content(of: vectors)))
    let stack = try #require(image.sections.first { $0.name == ".stack" })
    #expect(UInt64(content.word(0)) == stack.range.upperBound)
    #expect(image.function(at: content.word(4))?.name == "martlet_board_reset")
    // The core's 16 and the 256 lines of the SoC: whoever pends one finds a handler.
    #expect(content.count == (16 + 256) * 4)
    let symbols = SymbolTable(image).symbols
    let entry = try #require(symbols.first { $0.name == "martlet_fault_entry" }).value
    let handled = stride(from: 8, to: content.count, by: 4).filter { content.word($0) != entry }
    // PendSV is the demo's own.
    #expect(handled.allSatisfy { $0 == 14 * 4 })
  }

  private struct Segment {
    var type: UInt32
    var address: UInt32
    var fileSize: UInt32
    var memorySize: UInt32

    func covers(_ start: UInt32, _ size: UInt32) -> Bool {
      start >= address && UInt64(start) + UInt64(size) <= UInt64(address) + UInt64(memorySize)
    }
  }

  /// The program headers: offset at 28, size of one at 42, their number at 44.
  private func segments(_ image: ELFImage) -> [Segment] {
    let bytes = image.bytes
    return (0..<Int(bytes.half(44))).map { index in
      let at = Int(bytes.word(28)) + index * Int(bytes.half(42))
      return Segment(
        type: bytes.word(at), address: bytes.word(at + 8), fileSize: bytes.word(at + 16),
        memorySize: bytes.word(at + 20))
    }
  }
}
