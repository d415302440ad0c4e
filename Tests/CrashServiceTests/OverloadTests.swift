// More dumps at once than can be finished.

import DumpFormat
import Foundation
import ServiceAPI
import Synchronization
import Testing

@testable import CrashService

@Suite struct OverloadTests {
  private func sealed(_ bench: ServiceBench, _ count: UInt32) async throws -> [[UInt8]] {
    let sealer = try await bench.sealer()
    return try (1...count).map {
      try sealer.seal(sampleDump(key: DumpKey(bootCount: $0, sequence: 1)))
    }
  }

  @Test func `beyond what is let in a dump is refused at once and taken later`() async throws {
    try await ServiceBench.run(limits: ServiceLimits(mostIngests: 1)) { bench in
      try await bench.setConsent(.enabled)
      let dumps = try await sealed(bench, 2)
      // The first is held inside: what stores it waits for the gate that a change of consent holds.
      let isHeld = AsyncStream.makeStream(of: Void.self)
      let mayGo = AsyncStream.makeStream(of: Void.self)
      async let change: Void = bench.service.management.gate.exclusive {
        isHeld.continuation.yield()
        for await _ in mayGo.stream { break }
      }
      for await _ in isHeld.stream { break }
      async let first = bench.send(sealed: dumps[0])
      while bench.service.management.gate.waitingCount == 0 { await Task.yield() }
      let refused = try await bench.send(sealed: dumps[1])
      #expect(refused.status == .serviceUnavailable)
      #expect(refused.code == "Overloaded")
      #expect(refused.headers[.retryAfter] == "1")
      mayGo.continuation.yield()
      await change
      #expect(try await first.status == .created)
      #expect(try await bench.send(sealed: dumps[1]).status == .created)
      #expect(try await bench.dumps().count == 2)
    }
  }

  @Test func `what was accepted is stored, and what was refused is not`() async throws {
    try await ServiceBench.run(
      limits: ServiceLimits(dumpsPerGroup: 0, dumpsPerDevice: 0, mostIngests: 3)
    ) { bench in
      try await bench.setConsent(.enabled)
      let dumps = try await sealed(bench, 40)
      let statuses = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
        for (index, dump) in dumps.enumerated() {
          group.addTask { (index, try await bench.send(sealed: dump).status.code) }
        }
        return try await group.reduce(into: [Int: Int]()) { $0[$1.0] = $1.1 }
      }
      #expect(Set(statuses.values).isSubset(of: [201, 503]))
      let accepted = statuses.filter { $0.value == 201 }.keys.map { UInt32($0 + 1) }
      #expect(try await bench.dumps().map(\.bootCount).sorted() == accepted.sorted())
      #expect(bench.service.admission.count == 0)
    }
  }

  @Test func `a full queue refuses, and what waits is committed together`() async throws {
    let mayGo = AsyncStream.makeStream(of: Void.self)
    let batches = Mutex<[[Int]]>([])
    let commit = GroupCommit<Int, Int>(GroupCommitLimits(mostTogether: 2, mostWaiting: 3)) {
      items in
      batches.withLock { $0.append(items) }
      if items == [0] { for await _ in mayGo.stream { break } }
      return items.map { $0 * 10 }
    }
    async let first = commit.submit(0)
    while batches.withLock({ $0.isEmpty }) { await Task.yield() }
    let rest = (1...3).map { number in Task { try await commit.submit(number) } }
    while commit.waiting < 3 { await Task.yield() }
    #expect(!commit.hasRoom)
    await #expect(throws: GroupCommitFull.self) { try await commit.submit(4) }
    mayGo.continuation.yield()
    #expect(try await first == 0)
    for (index, task) in rest.enumerated() {
      #expect(try await task.value == 10 * (index + 1))
    }
    #expect(batches.withLock { $0.map(\.count) } == [1, 2, 1])
  }

  @Test func `a transaction waits for what is on its way`() async throws {
    let batches = Mutex<[Int]>([])
    let commit = GroupCommit<Int, Int>(
      GroupCommitLimits(), sleep: { _ in try await Task.sleep(for: .seconds(600)) }
    ) { items in
      batches.withLock { $0.append(items.count) }
      return items
    }
    let doors = (0..<5).map { _ in AsyncStream.makeStream(of: Void.self) }
    let tasks = doors.enumerated().map { number, door in
      Task {
        try await commit.expecting {
          for await _ in door.stream { break }
          return try await commit.submit(number)
        }
      }
    }
    while commit.expected < 5 { await Task.yield() }
    doors[0].continuation.yield()
    while commit.waiting < 1 { await Task.yield() }
    for _ in 0..<100 { await Task.yield() }
    #expect(batches.withLock { $0 } == [])
    doors[1].continuation.yield()
    #expect(try await tasks[0].value == 0)
    #expect(try await tasks[1].value == 1)
    for door in doors[2...] { door.continuation.yield() }
    for (number, task) in tasks.enumerated() { #expect(try await task.value == number) }
    #expect(batches.withLock { $0.first } == 2)
  }

  @Test func `a transaction does not wait for long`() async throws {
    let commit = GroupCommit<Int, Int>(GroupCommitLimits(), sleep: { _ in }) { $0 }
    let door = AsyncStream.makeStream(of: Void.self)
    let slow = (0..<8).map { number in
      Task {
        try await commit.expecting {
          for await _ in door.stream { break }
          return try await commit.submit(number)
        }
      }
    }
    while commit.expected < 8 { await Task.yield() }
    #expect(try await commit.expecting { try await commit.submit(8) } == 8)
    door.continuation.finish()
    for (number, task) in slow.enumerated() { #expect(try await task.value == number) }
  }

  @Test func `one that cannot be written does not take the others with it`() async throws {
    struct Refused: Error {}
    let mayGo = AsyncStream.makeStream(of: Void.self)
    let seen = Mutex(0)
    let commit = GroupCommit<Int, Int>(GroupCommitLimits()) { items in
      seen.withLock { $0 += 1 }
      if items == [0] { for await _ in mayGo.stream { break } }
      if items.contains(2) { throw Refused() }
      return items
    }
    async let first = commit.submit(0)
    while seen.withLock({ $0 }) == 0 { await Task.yield() }
    let rest = (1...3).map { number in Task { try await commit.submit(number) } }
    while commit.waiting < 3 { await Task.yield() }
    mayGo.continuation.yield()
    _ = try await first
    #expect(try await rest[0].value == 1)
    await #expect(throws: Refused.self) { try await rest[1].value }
    #expect(try await rest[2].value == 3)
  }
}
