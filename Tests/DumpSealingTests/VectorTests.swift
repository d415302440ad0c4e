// What others computed, held against the device's code on this machine.

import MartletTestKit
import SealingVectors
import Testing

@Suite struct VectorTests {
  @Test func `every vector of RFCs and Wycheproof holds`() throws {
    let vectors = try SealingVector.all()
    for vector in vectors { #expect(vector.holds(), "\(vector.kind) \(vector.name)") }
    for kind in SealingVector.kinds.values {
      #expect(vectors.contains { $0.kind == kind }, "\(kind): there is no vector")
    }
  }

  @Test func `a vector that is damaged in any field does not hold`() throws {
    for kind in SealingVector.kinds.values {
      let all = try SealingVector.all().filter { $0.kind == kind }
      let vector = try #require(all.first)
      // The last field is a result; of the kinds that have none, one that decides.
      var fields = vector.fields
      let at = fields.indices.last ?? 0
      fields[at][0] ^= 1
      if kind == .refused { fields[0][31] ^= 2 }
      let damaged = SealingVector(kind: kind, name: vector.name, fields: fields)
      #expect(!damaged.holds(), "\(kind) \(vector.name)")
    }
  }
}
