// scripts/bearssl: what it unpacks, what it refuses, and what it does without a network.

import Foundation
import MartletTestKit
import Testing

@Suite(.timeLimit(.minutes(2))) struct FetchTests {
  @Test func `an archive with another hash stops the fetch, and nothing is unpacked`() async throws
  {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(Data("something else".utf8))
        let run = try clone.run("bearssl")
        #expect(run.ending == .exit(1))
        #expect(run.words.contains("is not BearSSL 0.6"))
        #expect(run.words.contains("its SHA-256 is  "))
        #expect(run.words.contains("and should be   \(clone.hash)"))
        #expect(run.words.contains("do not use that file"))
        #expect(try clone.unpacked() == [])
        #expect(try clone.cached() == [])
      }
    }
  }

  @Test func `a firmware is not built on an archive with another hash`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(Data("something else".utf8))
        let run = try clone.run("firmware")
        #expect(run.ending == .exit(1))
        #expect(run.words.contains("is not BearSSL 0.6"))
        #expect(!run.words.contains("swift was called"))
      }
    }
  }

  @Test func `the second fetch needs no network, and the third nothing at all`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(clone.archive)
        #expect(try clone.run("bearssl").ending == .exit(0))
        #expect(try clone.unpacked() == [".sha256", "inc/bearssl.h", "src/inner.h", "src/one.c"])

        try clone.offer(nil)
        try FileManager.default.removeItem(at: clone.source)
        #expect(try clone.run("bearssl").ending == .exit(0))
        #expect(try clone.unpacked() == [".sha256", "inc/bearssl.h", "src/inner.h", "src/one.c"])

        try FileManager.default.removeItem(at: clone.cache)
        let third = try clone.run("bearssl")
        #expect(third.ending == .exit(0) && third.words == "")
      }
    }
  }

  @Test func `a cache that was changed is found out, and the words say what to do`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(clone.archive)
        #expect(try clone.run("bearssl").ending == .exit(0))
        try FileManager.default.removeItem(at: clone.source)
        let file = try clone.cache.appendingPathComponent(#require(clone.cached().first))
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: file)
        let run = try clone.run("bearssl")
        #expect(run.ending == .exit(1))
        #expect(run.words.contains("delete it and run this again: rm '\(file.path)'"))
        #expect(try clone.unpacked() == [])
      }
    }
  }

  @Test func `without a network and a cache the words say what to do`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(nil)
        let run = try clone.run("bearssl")
        #expect(run.ending == .exit(1))
        #expect(run.words.contains("name it in MARTLET_BEARSSL_TARBALL"))
        // And so it works.
        let named = folder.file("named.tar.xz")
        try clone.archive.write(to: named)
        let again = try clone.run("bearssl", ["MARTLET_BEARSSL_TARBALL": named.path])
        #expect(again.ending == .exit(0))
        #expect(try clone.unpacked().contains("src/one.c"))
      }
    }
  }

  @Test func `many at once leave one whole source`() async throws {
    try await onThread {
      try TemporaryDirectory.with { folder in
        let clone = try Clone(in: folder)
        try clone.offer(clone.archive)
        let children = try (0..<6).map { _ in try clone.start("bearssl") }
        for child in children { #expect(try child.waitForEnd() == .exit(0), "\(child.errors)") }
        #expect(try clone.unpacked() == [".sha256", "inc/bearssl.h", "src/inner.h", "src/one.c"])
        #expect(try clone.cached().count == 1)
      }
    }
  }
}

/// As much of a clone as the scripts need, whose pinned archive is a small one made here, and whose
/// network is a `curl` that hands out what the test offers.
private struct Clone {
  let folder: TemporaryDirectory
  /// The archive that the scripts ask for, and its SHA-256.
  let archive: Data
  let hash: String

  var source: URL { folder.file("clone/CShims/CBearSSL/source") }
  var cache: URL { folder.file("cache/martlet/bearssl") }
  private var offered: URL { folder.file("offered") }

  init(in folder: TemporaryDirectory) throws {
    self.folder = folder
    let contents = [
      "inc/bearssl.h": "", "src/inner.h": "", "src/one.c": "", "src/one.t0": "", "T0/a.cs": "",
    ]
    for (path, text) in contents {
      try Self.write(text, to: folder.file("made/bearssl-0.6/\(path)"))
    }
    let packed = folder.file("made.tar.xz")
    try Self.output("tar", ["-C", folder.file("made").path, "-cJf", packed.path, "bearssl-0.6"])
    archive = try Data(contentsOf: packed)
    hash = String(try Self.output("sha256sum", [packed.path]).prefix(64))

    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    for script in ["bearssl", "firmware"] {
      let text = try String(
        contentsOf: package.appendingPathComponent("scripts/\(script)"), encoding: .utf8)
      try Self.write(
        text.replacing(/sha256=[0-9a-f]{64}/, with: "sha256=\(hash)"),
        to: folder.file("clone/scripts/\(script)"), mode: 0o755)
    }
    try Self.write("", to: folder.file("clone/CShims/CBearSSL/shim.c"))
    try Self.write("{}", to: folder.file("clone/boards/ast1030-evb/toolset.json"))
    try Self.write(
      """
      #!/bin/bash
      while [ $# -gt 0 ]; do [ "$1" != -o ] || file=$2; shift; done
      cp "\(offered.path)" "$file"
      """, to: folder.file("bin/curl"), mode: 0o755)
    try Self.write(
      "#!/bin/bash\necho swift was called >&2\nexit 1\n", to: folder.file("bin/swift"), mode: 0o755)
  }

  /// Sets what a download brings; nil: there is no network.
  func offer(_ data: Data?) throws {
    try? FileManager.default.removeItem(at: offered)
    try data?.write(to: offered)
  }

  func start(_ script: String, _ environment: [String: String] = [:]) throws -> ProcessChild {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try ProcessChild(
      folder.file("clone/scripts/\(script)"), [],
      environment: [
        "PATH": "\(folder.file("bin").path):\(path)", "XDG_CACHE_HOME": folder.file("cache").path,
        "MARTLET_BEARSSL_TARBALL": "",
      ].merging(environment) { $1 })
  }

  func run(
    _ script: String, _ environment: [String: String] = [:]
  ) throws -> (ending: ProcessChild.Ending, words: String) {
    let child = try start(script, environment)
    return (try child.waitForEnd(), child.errors)
  }

  /// The files of the unpacked source; empty when there is none.
  func unpacked() throws -> [String] {
    guard FileManager.default.fileExists(atPath: source.path) else { return [] }
    return try FileManager.default.subpathsOfDirectory(atPath: source.path).filter {
      !["inc", "src"].contains($0)
    }.sorted()
  }

  /// The files in the cache.
  func cached() throws -> [String] {
    guard FileManager.default.fileExists(atPath: cache.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: cache.path)
  }

  private static func write(_ text: String, to file: URL, mode: Int = 0o644) throws {
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
  }

  @discardableResult
  private static func output(_ program: String, _ arguments: [String]) throws -> String {
    let child = try ProcessChild(URL(fileURLWithPath: "/usr/bin/env"), [program] + arguments)
    let ending = try child.waitForEnd()
    guard ending == .exit(0) else {
      throw ProcessFailure(.unexpected, "\(program): \(ending)\n\(child.errors)")
    }
    return child.output
  }
}
