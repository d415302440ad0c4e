// `martlet-bridge status`: how a running bridge is.

import ArgumentParser
import Foundation
import HostBridge

struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how a running bridge, its boards, its spool and the service are.",
    discussion: """
      Asks the bridge over its socket: that of this user's bridge, else that of the bridge that runs \
      as a service (\(StatusSocketPlace.system), for which you need to be root).

      The exit status is 0 when all is well, 1 when no bridge answers, and 2 when something needs \
      attention: then the last lines say what is wrong and what to do.

      Examples:
        martlet-bridge status
        martlet-bridge status --watch
        martlet-bridge status --json | jq '.boards[] | select(.isConnected | not) | .address'
      """)

  @Option(name: .long, help: ArgumentHelp("The bridge's socket.", valueName: "path"))
  var socket: String?

  @Flag(name: .long, help: "Print the status as JSON; fields that are not known are absent.")
  var json = false

  @Flag(name: .long, help: "Show it again every two seconds until interrupted.")
  var watch = false

  func validate() throws {
    if json, watch {
      throw ValidationError("--watch is for people; with --json ask again instead.")
    }
  }

  func run() async throws {
    if watch { return try await showAgainAndAgain() }
    let status = try await current()
    let output = json ? try status.json() : Data(status.text.utf8)
    try? FileHandle.standardOutput.write(contentsOf: output)
    if !status.attention.isEmpty { throw ExitCode(2) }
  }

  private func current() async throws(HostBridgeError) -> BridgeStatus {
    try await StatusClient.status(ofFirstAt: socket.map { [$0] } ?? StatusSocketPlace.candidates())
  }

  private func showAgainAndAgain() async throws {
    // Cursor home and erase below (ECMA-48): without the flicker of erasing first.
    let home = "\u{1B}[H"
    let eraseLine = "\u{1B}[K"
    let eraseBelow = "\u{1B}[J"
    while true {
      let text: String
      do throws(HostBridgeError) {
        text = try await current().text
      } catch {
        text = "\(error)\n"
      }
      let screen =
        home
        + text.split(separator: "\n", omittingEmptySubsequences: false)
        .joined(separator: eraseLine + "\n") + eraseBelow
      try FileHandle.standardOutput.write(contentsOf: Data(screen.utf8))
      try await Task.sleep(for: .seconds(2))
    }
  }
}
