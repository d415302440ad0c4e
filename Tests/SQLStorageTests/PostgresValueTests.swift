// Values of PostgreSQL's binary format, also such as no server sends.

import Foundation
import MartletTestKit
import Testing

@testable import SQLStorage

@Suite struct PostgresValueTests {
  private func value(_ bytes: [UInt8], _ type: UInt32) throws(SQLFailure) -> SQLValue {
    do {
      return try bytes.withUnsafeBytes { try SQLValue(postgres: $0, type: type) }
    } catch let failure as SQLFailure {
      throw failure
    } catch {
      throw SQLFailure(code: .refused, message: "\(error)")
    }
  }

  /// A numeric of digits to the base 10,000.
  private func numeric(_ digits: [UInt16], weight: Int16, sign: UInt16 = 0) -> [UInt8] {
    ([UInt16(digits.count), UInt16(bitPattern: weight), sign, 0] + digits).flatMap {
      [UInt8($0 >> 8), UInt8($0 & 0xFF)]
    }
  }

  @Test func `whole numerics are numbers to the ends of the range`() throws {
    #expect(try value(numeric([], weight: 0), 1700) == .integer(0))
    #expect(try value(numeric([5], weight: 2), 1700) == .integer(500_000_000))
    #expect(try value(numeric([12, 3450], weight: 1), 1700) == .integer(123_450))
    let largest: [UInt16] = [922, 3372, 368, 5477, 5807]
    #expect(try value(numeric(largest, weight: 4), 1700) == .integer(.max))
    let smallest: [UInt16] = [922, 3372, 368, 5477, 5808]
    #expect(try value(numeric(smallest, weight: 4, sign: 0x4000), 1700) == .integer(.min))
    for malformed in [
      numeric(smallest, weight: 4), numeric([5], weight: -1), numeric([1], weight: 5),
      numeric([10_000], weight: 0), numeric([1], weight: 0, sign: 0xC000),
      numeric([1], weight: 0).dropLast(), [],
    ] {
      #expect(throws: SQLFailure.self) { try value(Array(malformed), 1700) }
    }
  }

  @Test func `bytes of chance are a value or a failure`() throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let types: [UInt32] = [16, 17, 20, 21, 23, 25, 26, 700, 701, 1700, 2278, 3802, 0]
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...24, using: &generator)
      var bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      // Most numerics of chance are too short; some get the count that they have.
      if count >= 8, Bool.random(using: &generator) {
        bytes[0] = 0
        bytes[1] = UInt8((count - 8) / 2)
        bytes[2] = 0
        bytes[3] &= 7
        bytes[4] &= 0x40
        bytes[5] = 0
      }
      for type in types {
        do throws(SQLFailure) {
          _ = try value(bytes, type)
        } catch {
          #expect(error.code == .unexpectedValue, "seed \(seed)")
        }
      }
    }
  }

  @Test func `states of the server say what may help`() {
    let expected: [(String, SQLFailure.Code)] = [
      ("08006", .unavailable), ("57P01", .unavailable), ("53300", .unavailable),
      ("53100", .storageFull), ("40001", .conflict), ("40P01", .conflict), ("55P03", .busy),
      ("57014", .busy), ("23505", .constraint), ("XX001", .damaged), ("42P01", .refused),
      ("22P02", .unexpectedValue), ("25006", .unavailable), ("22021", .unstorableText),
    ]
    for (state, code) in expected { #expect(SQLFailure.code(state: state) == code) }
  }
}
