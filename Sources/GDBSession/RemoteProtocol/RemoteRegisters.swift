// The registers of a dump in the order in which gdb asks for them.

import DumpAnalysis

/// A target description for gdb and the values that go with it.
struct RemoteRegisters: Sendable {
  /// One register: its size in bytes and its value, little endian, `nil` when not known.
  struct Register: Sendable {
    var size: Int
    var value: UInt64?

    /// Two digits a byte, or `xx` for each that is not known.
    var hex: String {
      guard let value else { return String(repeating: "xx", count: size) }
      return (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))).bareHex }
        .joined()
    }
  }

  let description: String
  let all: [Register]

  /// - Parameter pc: replaces the dump's program counter.
  init(core: CoreRegisters?, floatingPoint: FloatingPointRegisters?, pc: UInt32? = nil) {
    var features = [Self.mProfile]
    var registers = (0...12).map { Register(word: core?.r[$0]) }
    registers += [
      Register(word: core?.sp), Register(word: core?.lr), Register(word: pc ?? core?.pc),
      Register(word: core?.xpsr),
    ]
    // gdb finds out which stack pointer is in use by comparing it with SP, so the one that was in
    // use has the value from before the exception frame was pushed.
    if let core, let excReturn = core.excReturn {
      let usesProcessStack = excReturn & 4 != 0
      features.append(Self.mSystem)
      registers.append(Register(word: usesProcessStack ? core.msp : core.sp))
      registers.append(Register(word: usesProcessStack ? core.sp : core.psp))
    }
    if let floatingPoint {
      features.append(Self.floats)
      for i in 0..<16 {
        let (low, high) = (floatingPoint.s[2 * i], floatingPoint.s[2 * i + 1])
        let value = low.flatMap { low in high.map { UInt64($0) << 32 | UInt64(low) } }
        registers.append(Register(size: 8, value: value))
      }
      registers.append(Register(word: floatingPoint.fpscr))
    }
    all = registers
    description =
      #"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">"#
      + #"<target version="1.0"><architecture>arm</architecture>"#
      + features.joined() + "</target>"
  }

  private static let mProfile =
    #"<feature name="org.gnu.gdb.arm.m-profile">"#
    + (0...12).map { word("r\($0)", "uint32") }.joined() + word("sp", "data_ptr")
    + word("lr", "int") + word("pc", "code_ptr") + word("xpsr", "int") + "</feature>"

  private static let mSystem =
    #"<feature name="org.gnu.gdb.arm.m-system">"# + word("msp", "data_ptr")
    + word("psp", "data_ptr") + "</feature>"

  private static let floats =
    #"<feature name="org.gnu.gdb.arm.vfp">"#
    + (0..<16).map { #"<reg name="d\#($0)" bitsize="64" type="ieee_double"/>"# }.joined()
    + word("fpscr", "int") + "</feature>"

  private static func word(_ name: String, _ type: String) -> String {
    #"<reg name="\#(name)" bitsize="32" type="\#(type)"/>"#
  }
}

extension RemoteRegisters.Register {
  init(word: UInt32?) { self.init(size: 4, value: word.map(UInt64.init)) }
}
