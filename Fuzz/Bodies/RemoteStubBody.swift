// Fuzzes the server of gdb's remote protocol.

import DumpAnalysis
import DumpFormat
import GDBSession

/// The bytes up to the first newline are a dump's body; what follows goes to the stub, once as it
/// is and once line by line as the content of packets whose checksums are right.
public func fuzzRemoteStub(_ input: UnsafeRawBufferPointer) {
  let bytes = Array(input)
  let parts = bytes.split(separator: 10, omittingEmptySubsequences: false)
  guard let dump = dump(body: parts.first ?? []) else { return }
  var stub = GDBRemoteStub(dump: dump)
  check(stub.receive(bytes), from: bytes.count)
  stub = GDBRemoteStub(dump: dump)
  for command in parts.dropFirst() {
    let sum = command.reduce(0, &+)
    let packet = Array("$".utf8) + command + Array("#".utf8) + Array(sum.bareHex.utf8)
    check(stub.receive(packet), from: packet.count)
  }
}

/// Every packet of the stub's stays within what it announced, escapes and frame included.
private func check(_ answer: [UInt8], from count: Int) {
  require(
    answer.count <= (count + 1) * (2 * GDBRemoteStub.longestPacket + 8), "An answer is too long")
}

/// A truncated dump, so that any bytes make a body; the kind and the rest do not matter here.
private func dump(body: ArraySlice<UInt8>) -> DecodedDump? {
  let header = DumpHeader(kind: .usageFault, key: DumpKey(bootCount: 1, sequence: 1))
  let commit = DumpCommit(bodyLength: UInt32(body.count), bodyCRC: 0, isTruncated: true)
  return try? DecodedDump(prologue: DumpPrologue(header: header, commit: commit), body: body)
}
