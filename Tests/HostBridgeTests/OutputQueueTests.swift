// Output that nobody reads: the writer goes on, and the reader is told what is missing.

import Foundation
import Testing

@testable import HostBridge

@Suite(.timeLimit(.minutes(5))) struct OutputQueueTests {
  @Test func `a pipe that nobody reads keeps nobody waiting and says what it dropped`() async throws
  {
    let pipe = Pipe()
    let queue = OutputQueue(pipe.fileHandleForWriting.fileDescriptor, limit: 1_000_000)
    let line = Data((String(repeating: "x", count: 999) + "\n").utf8)
    // More than a pipe holds and more than may wait: a blocking writer would never come back.
    for _ in 0..<3_000 { queue.write(line) }
    let reading = Task.detached { try pipe.fileHandleForReading.readToEnd() }
    await queue.flush(within: .seconds(30))
    queue.write(Data("the end\n".utf8))
    await queue.flush(within: .seconds(30))
    try pipe.fileHandleForWriting.close()
    let lines = String(decoding: try await reading.value ?? Data(), as: UTF8.self)
      .split(separator: "\n")
    #expect(lines.last == "the end")
    #expect(lines.dropLast().last?.hasSuffix(" bytes are not shown]") == true)
  }
}
