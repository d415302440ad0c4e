// Options out of a file, the environment and the command line.

import Foundation
import MartletTestKit
import Synchronization
import Testing

@testable import CrashService

@Suite struct ConfigurationTests {
  private static let options = [
    CommandOption(name: "config", isFlag: false, isRepeating: false),
    CommandOption(name: "data", isFlag: false, isRepeating: false),
    CommandOption(name: "port", isFlag: false, isRepeating: false, defaultValue: "8730"),
    CommandOption(name: "http", isFlag: true, isRepeating: false),
    CommandOption(name: "tls-certificate", isFlag: false, isRepeating: false),
    CommandOption(name: "eu-database", isFlag: false, isRepeating: false),
    CommandOption(name: "name", isFlag: false, isRepeating: true),
  ]

  private static func layers(
    _ given: [String], _ text: String, named name: String = "c.json",
    environment: [String: String] = [:]
  ) async throws -> OptionLayers {
    try await TemporaryDirectory.with { folder in
      let file = folder.file(name)
      try Data(text.utf8).write(to: file)
      return try await OptionLayers(
        given + ["--config", file.path], environment: environment, options: options)
    }
  }

  /// What the command line says in the end; of several values the last counts.
  private static func effective(_ layers: OptionLayers) -> [String: String] {
    var found: [String: String] = [:]
    for argument in layers.arguments where argument.hasPrefix("--") {
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1)
      found[String(parts[0]), default: ""] = parts.count > 1 ? String(parts[1]) : "true"
    }
    return found
  }

  @Test(arguments: [
    ("c.json", #"{"data": "/d", "port": 1, "http": true, "tls": {"certificate": "c"}}"#),
    ("c.yaml", "data: /d\nport: 1\nhttp: true\ntls:\n  certificate: c\n"),
  ])
  func `a file of either form is read, with sections`(name: String, text: String) async throws {
    let found = Self.effective(try await Self.layers([], text, named: name))
    #expect(found["data"] == "/d" && found["port"] == "1" && found["http"] == "true")
    #expect(found["tls-certificate"] == "c")
  }

  @Test func `the command line wins over the environment, and that over the file`() async throws {
    let text = #"{"data": "file", "port": 1, "eu-database": "file"}"#
    let layers = try await Self.layers(
      ["--data=line"], text,
      environment: ["MARTLET_SERVICE_DATA": "variable", "MARTLET_SERVICE_PORT": "2", "HOME": "/"])
    let found = Self.effective(layers)
    #expect(found["data"] == "line" && found["port"] == "2" && found["eu-database"] == "file")
    let lines = layers.description().split(separator: "\n")
    #expect(lines.contains("data = line  # the command line"))
    #expect(lines.contains("port = 2  # the variable MARTLET_SERVICE_PORT"))
    #expect(
      lines.contains {
        $0.hasPrefix("eu-database = file  # the file /") && $0.hasSuffix("key eu-database")
      })
    #expect(lines.contains("http = false  # default"))
  }

  @Test func `an option that repeats takes lists, and its values are not mixed`() async throws {
    let text = #"{"name": ["a", "b"]}"#
    #expect(
      try await Self.layers([], text).arguments.filter { $0.hasPrefix("--name") } == [
        "--name=a", "--name=b",
      ])
    let other = try await Self.layers([], text, environment: ["MARTLET_SERVICE_NAME": "c,d"])
    #expect(other.arguments.filter { $0.hasPrefix("--name") } == ["--name=c", "--name=d"])
  }

  @Test(arguments: [
    (#"{"prot": 1}"#, "key prot", "did you mean port?"),
    (#"{"tls": {"certifcate": "x"}}"#, "key tls.certifcate", "did you mean tls-certificate?"),
    (#"{"http": "perhaps"}"#, "key http", "true or false is expected"),
    (#"{"port": [1, 2]}"#, "key port", "a text or a number is expected"),
    (
      #"{"tls": {"certificate": "a"}, "tls-certificate": "b"}"#, "key tls-certificate",
      "there twice"
    ),
    (#"{"port": "#, "c.json", "cannot be read as JSON"),
    (#"[1]"#, "c.json", "cannot be read as JSON"),
  ])
  func `a key or value that is none is named with its file`(
    text: String, place: String, words: String
  ) async throws {
    let failure = await #expect(throws: ConfigurationFailure.self) {
      try await Self.layers([], text)
    }
    #expect(failure?.place.contains("c.json") == true && failure?.place.contains(place) == true)
    #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
  }

  @Test func `a variable that is no option is named`() async throws {
    let failure = await #expect(throws: ConfigurationFailure.self) {
      try await OptionLayers(
        [], environment: ["MARTLET_SERVICE_PROT": "1", "MARTLET_SERVICE": "x"],
        options: Self.options)
    }
    #expect(failure?.place == "The variable MARTLET_SERVICE_PROT")
    #expect(failure?.message.contains("MARTLET_SERVICE_PORT") == true)
  }

  @Test func `a file that is not there is named`() async {
    let failure = await #expect(throws: ConfigurationFailure.self) {
      try await OptionLayers(
        ["--config", "/no/such.yaml"], environment: [:], options: Self.options)
    }
    #expect(failure?.place.contains("/no/such.yaml") == true)
  }

  @Test(arguments: [
    ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
    ("host=h password=secret dbname=d", "host=h password=*** dbname=d"),
    ("host=h password='a b' dbname=d", "host=h password=*** dbname=d"),
    ("/a/path:with@signs", "/a/path:with@signs"),
  ])
  func `passwords are not printed`(text: String, masked: String) {
    #expect(OptionLayers.masked(text) == masked)
  }

  @Test func `noise is refused and never crashes`() async {
    var generator = SeededGenerator.fromEnvironment()
    for round in 0..<200 {
      let noise = String(decoding: generator.bytes(30), as: UTF8.self)
      let name = round.isMultiple(of: 2) ? "c.json" : "c.yaml"
      // A YAML text of nothing but comments has no options.
      _ = try? await Self.layers([], noise, named: name)
    }
  }
}

extension ProgramTests {
  @Suite(.timeLimit(.minutes(3))) struct RunConfigurationTests {
    private static func run(_ arguments: [String], environment: [String: String] = [:]) async throws
      -> (output: String, errors: String, end: ProcessChild.Ending)
    {
      let child = try ServiceProgram.launch(arguments, environment: environment)
      let end = try await onThread { try child.waitForEnd() }
      return (child.output, child.errors, end)
    }

    @Test func `the program prints what it would run with, and from where`() async throws {
      try await TemporaryDirectory.with { folder in
        let file = folder.file("service.yaml")
        try Data("data: /somewhere\nlog-level: debug\n".utf8).write(to: file)
        let seen = try await Self.run(
          ["run", "--config", file.path, "--print-config"],
          environment: ["MARTLET_SERVICE_PORT": "7000"])
        #expect(seen.end == .exit(0), "\(seen.errors)")
        #expect(seen.output.contains("data = /somewhere  # the file \(file.path), key data\n"))
        #expect(seen.output.contains("port = 7000  # the variable MARTLET_SERVICE_PORT\n"))
        #expect(seen.output.contains("dumps-per-group = 10  # default\n"))
      }
    }

    @Test func `a bad value is told with its file and key`() async throws {
      try await TemporaryDirectory.with { folder in
        let file = folder.file("service.json")
        try Data(#"{"data": "/somewhere", "log": {"level": "loud"}}"#.utf8).write(to: file)
        let seen = try await Self.run(["run", "--config", file.path])
        #expect(seen.end == .exit(1))
        #expect(
          seen.errors.contains("file \(file.path), key log.level") && seen.errors.contains("loud"),
          "\(seen.errors)")
      }
    }

    @Test func `a service runs with nothing but a file`() async throws {
      let folder = TestFolder()
      let made = Mutex("")
      try await ServiceBench.run(folder: folder, setUp: false, clock: .present()) { bench in
        let token = try await bench.token()
        made.withLock { $0 = token }
      }
      let file = folder.url.appending(path: "service.json")
      try Data(
        #"{"data": "\#(folder.url.path)", "http": true, "port": 0, "log": {"format": "json"}}"#.utf8
      ).write(to: file)
      let program = try await ServiceProgram(
        child: ServiceProgram.launch(["run", "--config", file.path]),
        token: made.withLock { $0 })
      #expect(try await program.send(.GET, "/readyz").status == .ok)
      program.child.send(SIGTERM)
      #expect(try await program.waitForEnd() == .exit(0))
      #expect(program.child.errors.hasPrefix("{\"time\":"))
    }
  }
}
