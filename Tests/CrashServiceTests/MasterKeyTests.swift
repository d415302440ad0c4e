// Where the master key comes from, and what happens with another one.

import Foundation
import ServiceAPI
import Testing

@testable import CrashService

@Suite struct MasterKeyTests {
  private let folder = TestFolder()

  private var data: URL { folder.url.appending(path: "data") }
  private var config: URL { folder.url.appending(path: "config") }
  private var standard: URL { config.appending(path: "martlet/service-master.key") }

  private func find(_ file: URL? = nil, _ variable: String? = nil) throws(ServiceStartFailure)
    -> FoundMasterKey
  {
    var environment = ["XDG_CONFIG_HOME": config.path]
    environment[MasterKeySource.variable] = variable
    return try MasterKeySource(file: file, environment: environment, dataFolder: data).find()
  }

  private func write(_ text: String, to file: URL, mode: Int = 0o600) throws {
    let manager = FileManager.default
    try manager.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
    try manager.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
  }

  @Test func `without a key one is made once, for its owner alone`() throws {
    let first = try find()
    #expect(first.isNew)
    #expect(first.place.contains(standard.path))
    let attributes = try FileManager.default.attributesOfItem(atPath: standard.path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    let second = try find()
    #expect(!second.isNew)
    #expect(second.key.base64 == first.key.base64)
    let files = try FileManager.default.contentsOfDirectory(
      atPath: standard.deletingLastPathComponent().path)
    #expect(files == ["service-master.key"])
  }

  @Test func `many who make it at once agree on one`() async throws {
    let keys = try await withThrowingTaskGroup(of: String.self) { tasks in
      for _ in 0..<16 { tasks.addTask { try self.find().key.base64 } }
      return try await tasks.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(keys.count == 1)
  }

  @Test func `a file goes before the variable, the variable before the standard file`() throws {
    let file = folder.url.appending(path: "given.key")
    let keys = (0..<3).map { _ in MasterKey().base64 }
    try write(" \(keys[0])\n", to: file)
    try write(keys[2], to: standard)
    #expect(try find(file, keys[1]).key.base64 == keys[0])
    #expect(try find(nil, keys[1]).key.base64 == keys[1])
    #expect(try find().key.base64 == keys[2])
    #expect(try find(nil, "").key.base64 == keys[2])
  }

  @Test(arguments: ["", "x", "AAAA", String(repeating: "A", count: 44)])
  func `what is no key is named and nothing is made in its place`(text: String) throws {
    let file = folder.url.appending(path: "given.key")
    try write(text, to: file)
    #expect {
      _ = try find(file)
    } throws: {
      let failure = $0 as? ServiceStartFailure
      return failure?.code == .masterKeyNotUsable
        && failure?.description.contains("new-master-key") == true
    }
    if !text.isEmpty {
      #expect(throws: ServiceStartFailure.self) { try find(nil, text) }
    }
    #expect(!FileManager.default.fileExists(atPath: standard.path))
  }

  @Test func `a file that is missing or that everybody reads is refused`() throws {
    let file = folder.url.appending(path: "given.key")
    #expect(throws: ServiceStartFailure.self) { try find(file) }
    try write(MasterKey().base64, to: file, mode: 0o644)
    #expect {
      _ = try find(file)
    } throws: {
      ($0 as? ServiceStartFailure)?.remedy.contains("chmod 600") == true
    }
  }

  @Test func `a file in the data folder is refused, also behind a link`() throws {
    let file = data.appending(path: "keys/master.key")
    try write(MasterKey().base64, to: file)
    let link = folder.url.appending(path: "link.key")
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
    for file in [file, link] {
      #expect {
        _ = try find(file)
      } throws: {
        ($0 as? ServiceStartFailure)?.message.contains("lies in the data folder") == true
      }
    }
    // Also the one that would be made.
    #expect(throws: ServiceStartFailure.self) {
      try MasterKeySource(
        file: nil, environment: ["XDG_CONFIG_HOME": data.path], dataFolder: data
      ).find()
    }
  }

  @Test func `data of another master key is not opened, and is left as it is`() async throws {
    let folder = TestFolder()
    try await ServiceBench.run(folder: folder) { bench in
      try await bench.setConsent(.enabled)
      #expect(try await bench.upload(sampleDump()).status == .created)
    }
    await #expect {
      _ = try await CrashService(
        dataFolder: folder.url, storage: folder.storage(),
        masterKey: MasterKey())
    } throws: {
      let failure = $0 as? ServiceStartFailure
      return failure?.code == .wrongMasterKey
        && failure?.description.contains("--master-key-file") == true
    }
    try await ServiceBench.run(folder: folder, setUp: false) { bench in
      let dump = try #require(try await bench.dumps().first)
      #expect(try await bench.get(DumpPath.content(dump.id)).status == .ok)
    }
  }
}
