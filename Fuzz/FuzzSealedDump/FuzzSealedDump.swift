// libFuzzer on SealedDump.

import Foundation
import FuzzBodies
import FuzzDriver

/// Called by libFuzzer for every input; 0 keeps the input eligible for the corpus.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  fuzzSealedDump(UnsafeRawBufferPointer(start: bytes, count: count))
  return 0
}

@main
enum FuzzSealedDump {
  static func main() {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(LLVMFuzzerRunDriver(&count, &arguments, testOneInput))
  }
}
