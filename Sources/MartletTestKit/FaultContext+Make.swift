// Fault contexts whose every register is known and tells which it is.

import BoardHAL

/// Makes the context of a division by zero in thread mode on the main stack, with live floating
/// point: every register holds a value of its own.
///
/// r0 to r12 are `0x5200_0000` and up, s0 to s31 `0x5300_0000` and up, the 8 MPU regions' words
/// `0x4D50_0000` and up, the 2 words each of enabled, pending and active interrupts `0x4E56_0000`
/// and up, SysTick's `0x5359_0000` and up. `configure` changes the rest.
///
/// - Parameters:
///   - pc: board address, by default inside the emulated board's code.
///   - lr: return address of the interrupted code, bit 0 set in Thumb state.
///   - sp: before the exception frame was pushed, by default in the middle of the emulated RAM.
///   - exception: number of the exception taken, by default UsageFault.
///   - cfsr: by default DIVBYZERO.
public func makeFaultContext(
  pc: UInt32 = 0x0000_1234,
  lr: UInt32 = 0x0000_0567,
  sp: UInt32 = 0x2000_8000,
  exception: UInt32 = 6,
  cfsr: UInt32 = 1 << 25,
  hfsr: UInt32 = 0,
  flags: UInt32 = UInt32(MARTLET_CONTEXT_FRAME_VALID | MARTLET_CONTEXT_FP_LIVE),
  configure: (inout FaultContext) -> Void = { _ in }
) -> FaultContext {
  var context = FaultContext()
  withUnsafeMutableBytes(of: &context.r) { number($0, from: 0x5200_0000) }
  withUnsafeMutableBytes(of: &context.s) { number($0, from: 0x5300_0000) }
  context.sp = sp
  context.lr = lr
  context.pc = pc
  context.xpsr = 0x6100_0000
  context.excReturn = 0xFFFF_FFE9
  // The frame with floating point takes 26 words and lies on the main stack.
  context.msp = sp &- 104
  context.psp = 0x2000_C000
  context.control = 0x4
  context.primask = 0
  context.basepri = 0x40
  context.faultmask = 0
  context.flags = flags
  context.exception = exception
  context.cfsr = cfsr
  context.hfsr = hfsr
  context.dfsr = 0x0000_0008
  context.mmfar = 0x6D6D_0000
  context.bfar = 0x6266_0000
  context.afsr = 0x6166_0001
  context.shcsr = 0x0007_0008
  context.icsr = 0x0040_0000 | exception
  context.fpscr = 0x0300_0010
  context.mpuType = 0x0000_0800
  context.mpuControl = 0x0000_0005
  withUnsafeMutableBytes(of: &context.mpuRegions) { number($0, from: 0x4D50_0000) }
  context.nvicWords = 2
  withUnsafeMutableBytes(of: &context.nvic) {
    number(UnsafeMutableRawBufferPointer(rebasing: $0.prefix(24)), from: 0x4E56_0000)
  }
  withUnsafeMutableBytes(of: &context.sysTick) { number($0, from: 0x5359_0000) }
  configure(&context)
  return context
}

/// Fills `bytes` with words that count up from `first`.
private func number(_ bytes: UnsafeMutableRawBufferPointer, from first: UInt32) {
  for i in 0..<bytes.count / 4 {
    bytes.storeBytes(of: first + UInt32(i), toByteOffset: 4 * i, as: UInt32.self)
  }
}

extension FaultContext {
  /// r0 to r12.
  public var coreRegisters: [UInt32] {
    withUnsafeBytes(of: r) { [UInt32]($0.bindMemory(to: UInt32.self)) }
  }

  /// s0 to s31.
  public var floatRegisters: [UInt32] {
    withUnsafeBytes(of: s) { [UInt32]($0.bindMemory(to: UInt32.self)) }
  }

  /// RBAR and RASR of all MPU regions a context has room for, in turn.
  public var mpuRegionWords: [UInt32] {
    withUnsafeBytes(of: mpuRegions) { [UInt32]($0.bindMemory(to: UInt32.self)) }
  }

  /// The words of enabled, then pending, then active interrupts that are known, `nvicWords` each.
  public var interruptWords: [UInt32] {
    let count = min(Int(nvicWords), Int(MARTLET_CONTEXT_NVIC_WORDS)) * 3
    return withUnsafeBytes(of: nvic) { [UInt32]($0.bindMemory(to: UInt32.self).prefix(count)) }
  }

  /// SysTick's CSR, RVR, CVR and CALIB.
  public var sysTickWords: [UInt32] {
    withUnsafeBytes(of: sysTick) { [UInt32]($0.bindMemory(to: UInt32.self)) }
  }
}
