// martlet-demo: sends crashes the whole way, from an emulated board to the service, and checks each.

import ArgumentParser
import Foundation

@main
struct MartletDemo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-demo",
    abstract: "Shows crashes travelling from an emulated board to the crash service.",
    discussion: """
      Starts the service, a board in QEMU and the bridge, gives the board its identity, lets it crash \
      without consent, with it and after its revocation, and checks each time what was kept. Then it \
      searches the board's flash as a thief would, and says a lease again that somebody on the line \
      kept. Run it with make demo, which builds what it needs. What it started is gone when it ends; \
      logs and a summary stay in .build/demo.
      """)

  @Option(help: "The folder with martlet, martlet-bridge and martlet-service. (default: its own)")
  var programs: String?

  @Option(help: "The demo firmware.")
  var firmware = ".build-ast1030-evb/DemoApp.elf"

  @Option(help: "The folder that holds the firmware's ELF file by its build-id.")
  var symbolPath = ".build/symbols"

  @Option(help: "Where logs and the summary go.")
  var folder = ".build/demo"

  @Option(help: "How long each thing that is waited for may take, seconds.")
  var patience = 30.0

  func validate() throws {
    guard patience >= 1, patience <= 3600 else {
      throw ValidationError("--patience takes seconds from 1 to 3600.")
    }
  }

  func run() async throws {
    // A child that went away shows by its end, not by a signal here.
    signal(SIGPIPE, SIG_IGN)
    let progress = Progress()
    do {
      try await perform(progress)
      progress.say("demo: passed")
    } catch let failure as DemoFailure {
      progress.say("demo: failed: \(failure)")
      throw ExitCode.failure
    }
  }

  private func perform(_ progress: Progress) async throws {
    let start = ContinuousClock.now
    // Until this demo holds the folder, the summary in it is another's.
    let folder = try DemoFolder(path: folder)
    let steps = StepList(progress: progress)
    let crew = Crew(folder: folder)
    let work = Task {
      let tools = try await steps.run("prepare", "looking for what the demo needs") { _ in
        let tools = try Tools(programs: programs, firmware: firmware, symbolPath: symbolPath)
        try await crew.watchOver()
        return tools
      }
      let story = Story(
        tools: tools, folder: folder, crew: crew, steps: steps, patience: .seconds(patience))
      try await story.play()
    }
    let interruption = Interruption { work.cancel() }
    var result = await work.result
    interruption.end()
    do {
      let succeeded = (try? result.get()) != nil
      try await steps.run("stop", "stopping all that was started") { _ in
        try await crew.stop(checking: succeeded)
      }
    } catch {
      if case .success = result { result = .failure(error) }
    }
    let summary = Summary(
      passed: (try? result.get()) != nil, seconds: (.now - start).inSeconds.roundedToMilliseconds,
      steps: steps.done)
    try summary.write(to: folder.summary)
    try result.get()
  }
}

extension Duration {
  /// This duration in seconds, for people and summaries.
  var inSeconds: Double { self / .seconds(1) }
}

extension Double {
  var roundedToMilliseconds: Double { (self * 1000).rounded() / 1000 }
}
