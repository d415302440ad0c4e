// An application's secret on its whole way: it is seen again in the service's answer and nowhere else.

import Foundation
import MartletBenchKit
import MartletTestKit
import ServiceAPI
import Testing

extension StandTests {
  @Suite struct MarkerTests {
    @Test func `with consent the marker is found in the service alone`() async throws {
      let marker = Marker(demoSeed: 0x00AD_1E55)
      let places = try await Stand.with { stand in
        try stand.startEverything()
        stand.proxy.type("marker AD1E55")
        try stand.proxy.wait(for: "the marker") { $0.text.contains("filled and registered") }
        // The service is away, so that the dump rests in the spool.
        stand.killService()
        let key = try stand.crash("crash null")
        try stand.waitUntilTold(key)
        var places = ["spool": try stand.count(marker, inFilesOf: stand.spool)]
        try stand.startService()
        let dump = try #require(try stand.waitUntilStored([key]).first)
        places["opened"] = marker.count(in: try stand.content(of: dump))
        places["service's files"] = try stand.count(
          marker, inFilesOf: stand.folder.file("service").path)
        stand.killService()
        places["service's files, killed"] = try stand.count(
          marker, inFilesOf: stand.folder.file("service").path)
        places["spool, delivered"] = try stand.count(marker, inFilesOf: stand.spool)
        places["line"] = marker.count(
          in: stand.proxy.current.payloads + Array(stand.proxy.current.text.utf8))
        try stand.board.cutPower()
        places["flash"] = marker.count(in: try stand.board.flashBytes())
        return places
      }
      #expect((places["opened"] ?? 0) >= marker.runCount)
      #expect(places.filter { $0.key != "opened" && $0.value != 0 } == [:])
      #expect(places.count == 7)
    }

    @Test func `after a revocation the marker is in no file of the bridge`() async throws {
      let marker = Marker(demoSeed: 0x00AD_1E56)
      let found = try await Stand.with { stand in
        try stand.startEverything()
        stand.proxy.type("marker AD1E56")
        try stand.proxy.wait(for: "the marker") { $0.text.contains("filled and registered") }
        try stand.setConsent(.disabled)
        try stand.waitForBridge(.leaseDenied)
        _ = try stand.crash("crash null")
        stand.killBridge()
        try stand.board.cutPower()
        return [
          try stand.count(marker, inFilesOf: stand.folder.url.path),
          marker.count(in: stand.proxy.current.payloads + Array(stand.proxy.current.text.utf8)),
          marker.count(in: try stand.board.flashBytes()),
        ]
      }
      #expect(found == [0, 0, 0])
    }
  }
}

extension Desk {
  /// How many runs of a marker the files of a folder hold, those of folders in it included.
  func count(_ marker: Marker, inFilesOf folder: String) throws -> Int {
    let files = try #require(FileManager.default.enumerator(atPath: folder))
    var count = 0
    var isEmpty = true
    for case let name as String in files {
      let url = URL(fileURLWithPath: folder).appendingPathComponent(name)
      guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else {
        continue
      }
      isEmpty = false
      count += marker.count(in: [UInt8](try Data(contentsOf: url)))
    }
    try #require(!isEmpty, "\(folder) holds no file")
    return count
  }
}
