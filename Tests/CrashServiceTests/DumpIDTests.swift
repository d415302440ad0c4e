// Names of dumps: where they are, when they came, and in which order.

import Foundation
import Testing

@testable import CrashService

@Suite struct DumpIDTests {
  @Test(arguments: Region.allCases)
  func `an id is its region and a UUID of version 7 that tells the time`(region: Region) throws {
    for time in [0, 1, 1_763_900_000_123, 0xFFFF_FFFF_FFFF] as [Int64] {
      let id = DumpID.make(in: region, at: time)
      #expect(id.hasPrefix("\(region.storeName)-"))
      let text = String(id.dropFirst(region.storeName.count + 1))
      #expect(text == text.lowercased())
      let uuid = try #require(UUID(uuidString: text)).uuid
      #expect(uuid.6 >> 4 == 7)
      #expect(uuid.8 >> 6 == 2)
      #expect(DumpID.time(of: id, in: region) == time)
    }
  }

  @Test func `ids are in the order of reception, and none comes twice`() {
    let times = (0..<1000).map { 1_763_900_000_000 + Int64($0) }
    let ids = times.map { DumpID.make(in: .eu, at: $0) }
    #expect(ids == ids.sorted())
    #expect(zip(ids, times).allSatisfy { $0 >= DumpID.lowest(in: .eu, at: $1) })
    #expect(zip(ids, times).allSatisfy { $0 < DumpID.lowest(in: .eu, at: $1 + 1) })
    #expect(Set((0..<1000).map { _ in DumpID.make(in: .eu, at: 5) }).count == 1000)
  }
}
