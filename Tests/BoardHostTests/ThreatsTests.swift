// THREATS.md names the tests that try each attack: those tests exist.

import Foundation
import Testing

@Suite struct ThreatsTests {
  private static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The names of all tests of the package.
  private static func tests() throws -> Set<String> {
    let folder = package.appendingPathComponent("Tests")
    let files = try #require(
      FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var names: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /func `([^`]+)`/) { names.insert(String(match.1)) }
    }
    return names
  }

  @Test func `every test that the page of threats names exists`() throws {
    let page = try String(
      contentsOf: Self.package.appendingPathComponent("THREATS.md"), encoding: .utf8)
    let named = page.matches(of: /`([^`\n]+)`/).map { String($0.1) }
    #expect(named.count > 30)
    let missing = Set(named).subtracting(try Self.tests())
    #expect(missing.sorted() == [])
  }
}
