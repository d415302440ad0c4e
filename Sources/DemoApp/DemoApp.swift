// The demo firmware: the boot agent first, then a console that crashes in every way on request.

import Board
import BoardHAL
import BootAgent
import ConsentLease
import CrashCapture
import DemoFaults

/// Bytes of a ring slot: the largest dump, and the unit of erase-ahead.
private let slotSize: UInt32 = 32 << 10

/// Entered by the board's start-up code.
@main
struct DemoApp {
  static func main() {
    var agent = BootAgent(slotSize: slotSize)
    var line = LineBuffer()
    var chatter = Chatter()
    // Text that arrives while the agent waits is for the application: it is kept for later.
    agent.waitForHost { line.take($0) }
    Console(agent: agent).writeLine("martlet demo: ready, type help")
    _ = halWatchdogStart(timeoutMilliseconds: 2000, warningMilliseconds: 500)
    while true {
      while line.next() {
        run(line, Console(agent: agent), &chatter)
        line.drop()
      }
      chatter.writeLine(Console(agent: agent))
      halWatchdogFeed()
      agent.poll { line.take($0) }
    }
  }
}

private func run(_ line: LineBuffer, _ console: Console, _ chatter: inout Chatter) {
  let gate = consentGate()
  let now = halMonotonicMicroseconds()
  if line.begins(with: "status") {
    console.write("boot ")
    console.write(decimal: console.agent.bootCount)
    console.write(", consent ")
    console.write(gate.state(at: now).words)
    console.write(", seconds left ")
    console.write(decimal: gate.secondsLeft(at: now))
    console.write(", crashes not captured ")
    console.write(decimal: gate.uncapturedCrashes)
    console.writeLine("")
  } else if line.begins(with: "uptime") {
    console.write("up ")
    console.write(decimal: wholeSeconds(gate.uptime(at: now)))
    console.writeLine(" s since power-on")
  } else if line.begins(with: "reset") {
    halReset(.software)
  } else if line.begins(with: "poke"), let address = line.number(fromEnd: 1),
    let value = line.number(fromEnd: 0)
  {
    demo_poke(address, value)
    console.writeLine("poked")
  } else if line.begins(with: "marker") {
    demo_fill_marker(line.lastNumber(otherwise: 0x5EED_0000))
    let length = UInt32(DEMO_MARKER_WORDS) * 4
    _ = CrashCapture.register(address: demo_marker_address(), length: length, id: 1)
    console.writeLine("4096 bytes filled and registered")
  } else if line.begins(with: "chatter") {
    chatter = Chatter(kibibytes: line.lastNumber(otherwise: 1))
  } else if line.begins(with: "scribble") {
    console.writeLine("scribbling")
    demo_scribble(line.lastNumber(otherwise: 0x5EED_0000))
  } else if line.begins(with: "painted") {
    console.write(decimal: demo_painted_bytes())
    console.write(" bytes below the frame, ")
    console.write(decimal: demo_changed_bytes())
    console.writeLine(" bytes of the painted stack changed")
  } else if line.begins(with: "crash") || line.begins(with: "hang") {
    console.writeLine("crashing")
    CrashCapture.breadcrumb(1, line.lastNumber(otherwise: 0))
    Crashes.run(line)
    console.writeLine("no such crash, type help")
  } else {
    help(console)
  }
}

private func help(_ console: Console) {
  console.writeLine("status | uptime | painted | reset | hang [masked]")
  console.writeLine("poke address value | scribble [seed] | marker [seed] | chatter [KiB]")
  console.writeLine("crash null|undefined|divide|unaligned|nocp|return [seed]")
  console.writeLine("crash address|late|fetch|execute|ram|code|protected|hardfault|floats [seed]")
  console.writeLine("crash recursion|frame|thread|painted [seed]")
  console.writeLine("crash sp|psp unmapped|bottom|unaligned|code|nor [seed]")
  console.writeLine("crash handler|interrupt|call|nested|stuck|early|premain|abort [seed]")
  console.writeLine("crash overflow|bounds|nil|reason|assert")
}

extension LeaseState {
  /// One word for the console.
  fileprivate var words: StaticString {
    switch self {
    case .none: "none"
    case .allowed: "allowed"
    case .denied: "denied"
    case .expired: "expired"
    case .suspended: "suspended"
    case .clockFault: "clock fault"
    }
  }
}
