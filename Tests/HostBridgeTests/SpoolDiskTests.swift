// The spool on a disk that is full or read-only: nothing is lost, nothing is half there, it recovers.

import DumpFormat
import Foundation
import GRDB
import MartletTestKit
import Testing

@testable import HostBridge

@Suite(.serialized, .timeLimit(.minutes(2))) struct SpoolDiskTests {
  static let limits = SpoolLimits(bytes: 2 << 20)

  /// A real disk, and the imitation that runs everywhere.
  static func onBoth(_ body: (FillingDisk) async throws -> Void) async throws {
    try await FillingDisk.with(mib: 4, body)
    try await TemporaryDirectory.with { try await body(.imitated($0)) }
  }

  /// Stores dumps until the disk takes no more. Returns those that were stored.
  static func storeUntilFull(
    _ spool: Spool, from first: UInt32 = 1, size: Int = 16_000
  ) async throws -> [Sample] {
    var stored: [Sample] = []
    for sequence in first..<first + 1_000 {
      let dump = Sample(key(1, sequence), size: size)
      do throws(HostBridgeError) {
        guard try await spool.storeTyped(dump) == .stored else { break }
        stored.append(dump)
      } catch {
        return stored
      }
    }
    return stored
  }

  @Test func `a full disk is told as not now, and every dump taken before stays whole`()
    async throws
  {
    try await Self.onBoth { disk async throws in
      let spool = try Spool(folder: disk.folder, limits: Self.limits)
      for sequence in 1...4 {
        #expect(try await spool.store(Sample(key(1, UInt32(sequence)), size: 16_000)) == .stored)
      }
      try await disk.fill(spool)
      let more = try await Self.storeUntilFull(spool, from: 5)
      #expect(spool.condition.kind == .diskFull)
      #expect(spool.condition.words.contains("boards keep their dumps"))
      let refused = Sample(key(1, UInt32(5 + more.count)), size: 16_000)
      // Told before the dump travels over the line.
      await #expect(throws: HostBridgeError.self) { try await spool.standing(of: refused) }
      try await Self.check(
        spool, holds: (1...4).map { Sample(key(1, $0), size: 16_000) } + more)
    }
  }

  @Test func `what a full disk holds still goes to the service, and room comes back by it`()
    async throws
  {
    try await Self.onBoth { disk async throws in
      let spool = try Spool(folder: disk.folder, limits: Self.limits)
      let service = FakeService()
      let uploader = Uploader(spool: spool, service: service)
      var all: [Sample] = []
      for sequence in 1...20 {
        let dump = Sample(key(1, UInt32(sequence)), size: 16_000)
        #expect(try await spool.store(dump) == .stored)
        all.append(dump)
      }
      try await disk.fill(spool)
      all += try await Self.storeUntilFull(spool, from: 21)
      #expect(spool.condition.kind == .diskFull)
      #expect(await uploader.pass() == nil)
      #expect(service.now.stored.count == all.count)
      for dump in all {
        #expect(try await spool.standing(of: dump) == .known(.uploaded))
        #expect(service.now.stored[dump.identity] == dump.bytes)
      }
      // The disk is as full as before, but the spool's own pages are free again.
      try await spool.tidy()
      #expect(spool.condition.kind == .ok)
      #expect(try await spool.store(Sample(key(2, 1), size: 16_000)) == .stored)
    }
  }

  @Test func `when there is room again the spool takes dumps by itself`() async throws {
    try await Self.onBoth { disk async throws in
      let spool = try Spool(folder: disk.folder, limits: Self.limits)
      try await disk.fill(spool)
      let first = try await Self.storeUntilFull(spool)
      #expect(spool.condition.kind == .diskFull)
      let since = spool.condition.since
      _ = try? await spool.tidy()
      #expect(spool.condition.since == since || spool.condition.kind == .ok)
      try await disk.free(spool)
      try await spool.tidy()
      #expect(spool.condition.kind == .ok)
      let next = Sample(key(9, 1), size: 16_000)
      #expect(try await spool.standing(of: next) == .unknown)
      #expect(try await spool.store(next) == .stored)
      try await Self.check(spool, holds: first + [next])
    }
  }

  @Test func `a bridge that starts on a full disk still empties its spool`() async throws {
    try await FillingDisk.with(mib: 4) { disk async throws in
      guard disk.isReal else { return }
      var stored: [Sample] = []
      do {
        let spool = try Spool(folder: disk.folder, limits: Self.limits)
        for sequence in 1...8 {
          stored.append(Sample(key(1, UInt32(sequence)), size: 16_000))
          #expect(try await spool.store(stored[stored.count - 1]) == .stored)
        }
        try await disk.fill(spool)
      }
      let spool = try Spool(folder: disk.folder, limits: Self.limits)
      // What the last process's end gave back is taken by somebody else.
      try await disk.fill(spool)
      let service = FakeService()
      let uploader = Uploader(spool: spool, service: service)
      _ = await uploader.pass()
      #expect(service.now.stored.count == stored.count)
      for dump in stored { #expect(try await spool.standing(of: dump) == .known(.uploaded)) }
    }
  }

  @Test func `a disk that fills and frees at random moments loses and halves nothing`() async throws
  {
    var generator = SeededGenerator.fromEnvironment()
    try await Self.onBoth { disk async throws in
      var spool = try Spool(folder: disk.folder, limits: Self.limits)
      var held: [DumpIdentity: Sample] = [:]
      var troubles = 0
      for step in 1...150 {
        switch Int.random(in: 0...9, using: &generator) {
        case 0: try await disk.fill(spool)
        case 1: try await disk.free(spool)
        case 2...6:
          let dump = Sample(
            key(1, UInt32(step)), size: Int.random(in: 100...40_000, using: &generator) & ~3)
          // A limit's evictions are another test's.
          if held.values.reduce(0, { $0 + $1.bytes.count }) + dump.bytes.count > Self.limits.bytes {
            break
          }
          do throws(HostBridgeError) {
            let result = try await spool.storeTyped(dump)
            #expect(result == .stored)
            held[dump.identity] = dump
          } catch {
            troubles += 1
            let bytes = try await spool.bytes(of: dump.identity)
            #expect(bytes == nil, "seed \(generator.seed)")
          }
        case 7:
          guard let dump = held.values.min(by: { $0.identity.key < $1.identity.key }) else { break }
          try await spool.settle(dump.identity, as: .uploaded)
          held[dump.identity] = nil
        case 8: try? await spool.tidy()
        default:
          guard disk.isReal else { break }
          spool = try await Self.again(&spool, disk)
        }
      }
      #expect(troubles > 0, "the disk was never full, seed \(generator.seed)")
      try await Self.check(spool, holds: Array(held.values))
    }
  }

  /// Closes and opens the spool.
  private static func again(_ spool: inout Spool, _ disk: FillingDisk) async throws -> Spool {
    spool.letGo()
    return try Spool(folder: disk.folder, limits: limits)
  }

  @Test func `a disk that became read-only is told, and healed without a restart`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      let first = Sample(key(1, 1))
      let second = Sample(key(1, 2))
      #expect(try await spool.store(first) == .stored)
      try await spool.connected().writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA query_only = ON")
      }
      await #expect(throws: HostBridgeError.self) { try await spool.store(second) }
      #expect(spool.condition.kind == .readOnly)
      // The connection is made anew, and with it the imitated fault is gone.
      #expect(try await spool.standing(of: second) == .unknown)
      #expect(spool.condition.kind == .ok)
      #expect(try await spool.store(second) == .stored)
      try await Self.check(spool, holds: [first, second])
    }
  }

  @Test func `a bridge that starts on a read-only disk waits for it to be writable`() async throws {
    try await TemporaryDirectory.with { folder in
      let disk: SmallDisk
      do throws(ProcessFailure) {
        disk = try SmallDisk(mib: 4, at: folder.file("disk").path)
      } catch {
        print("no file system can be mounted here, so none is made read-only")
        return
      }
      defer { disk.remove() }
      let first = Sample(key(1, 1))
      do {
        let spool = try Spool(folder: disk.path + "/spool", limits: Self.limits)
        #expect(try await spool.store(first) == .stored)
      }
      try disk.remount("ro")
      let spool = try Spool(folder: disk.path + "/spool", limits: Self.limits)
      #expect(spool.condition.kind == .readOnly)
      let second = Sample(key(1, 2))
      await #expect(throws: HostBridgeError.self) { try await spool.store(second) }
      await #expect(throws: HostBridgeError.self) { try await spool.tidy() }
      #expect(spool.condition.kind == .readOnly)
      try disk.remount("rw")
      try await spool.tidy()
      #expect(spool.condition.kind == .ok)
      #expect(try await spool.store(second) == .stored)
      try await Self.check(spool, holds: [first, second])
    }
  }

  @Test func `a second bridge on the same spool is sent away`() async throws {
    try await TemporaryDirectory.with { folder in
      let spool = try Spool(folder: folder.path)
      #expect(try await spool.store(Sample(key(1, 1))) == .stored)
      let error = #expect(throws: HostBridgeError.self) { try Spool(folder: folder.path) }
      #expect(error?.code == .spoolUnavailable)
      #expect(error?.description.contains("another process uses it") == true)
    }
  }

  /// These dumps and no others are here, byte for byte, and the database is sound.
  static func check(_ spool: Spool, holds dumps: [Sample]) async throws {
    let problems = try await spool.connected().read { db in
      try String.fetchAll(db, sql: "PRAGMA integrity_check")
    }
    #expect(problems == ["ok"])
    let waiting = try await spool.waiting(of: Sample(key(1, 1)).identity.device, limit: 10_000)
    #expect(Set(waiting.map(\.identity)) == Set(dumps.map(\.identity)))
    for dump in dumps { #expect(try await spool.bytes(of: dump.identity) == dump.bytes) }
  }
}
