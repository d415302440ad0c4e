// Fuzzes the ELF reader.

import DumpAnalysis

/// Reads `input` as an ELF file and looks at everything that it offers.
public func fuzzELFReader(_ input: UnsafeRawBufferPointer) {
  guard let image = try? ELFImage(bytes: Array(input)) else { return }
  for section in image.sections {
    if let content = image.content(of: section) {
      require(content.count == Int(section.size), "A section's content has another size")
    }
  }
  for function in image.functions {
    _ = image.function(at: function.address)
    _ = image.isCode(function.address)
  }
  for run in image.readOnlyRuns {
    require(
      UInt64(run.address) + UInt64(run.bytes.count) <= 1 << 32, "A run leaves the address space")
  }
}
