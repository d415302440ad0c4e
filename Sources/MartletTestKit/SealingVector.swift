// The vectors of Tests/DumpSealingTests/Vectors, from their text to the records that a board takes.

import DumpFormat
import Foundation
import SealingVectors

/// A line of a vector file (its README says what the fields are).
public struct SealingVector: Sendable, CustomStringConvertible {
  /// Why a file is none.
  public struct Malformed: Error, CustomStringConvertible {
    public let description: String
  }

  public let kind: VectorRecord.Kind
  public let name: String
  /// The fields behind the name.
  public let fields: [[UInt8]]

  public var description: String { name }

  public init(kind: VectorRecord.Kind, name: String, fields: [[UInt8]]) {
    self.kind = kind
    self.name = name
    self.fields = fields
  }

  /// The bytes that ``VectorRecord`` reads.
  public var record: [UInt8] {
    let all = [Array(name.utf8)] + fields
    return [kind.rawValue, UInt8(all.count)]
      + all.flatMap { [UInt8($0.count & 0xFF), UInt8($0.count >> 8)] + $0 }
  }

  /// Whether the device's code does what the vector says, run here.
  public func holds() -> Bool {
    record.withUnsafeBytes { VectorRecord($0)?.holds() ?? false }
  }

  /// What the board's `VectorApp` takes, for its flash at ``offset``.
  public static func image(of vectors: [SealingVector]) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    return Array("VECT".utf8) + word(vectors.count)
      + vectors.flatMap { word($0.record.count) + $0.record }
  }

  /// Where the image lies in the flash.
  public static let offset = 0x20_0000

  /// All vectors that lie in this repository.
  public static func all() throws -> [SealingVector] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Tests/DumpSealingTests/Vectors")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      .filter { $0.hasSuffix(".txt") }
      .flatMap { file in
        try parse(String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8), file)
      }
  }

  /// The vectors of a text.
  ///
  /// - Parameter file: its name, for errors.
  public static func parse(_ text: String, _ file: String) throws(Malformed) -> [SealingVector] {
    var vectors: [SealingVector] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.isEmpty && !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      guard words.count > 2, let kind = kinds[words[0]] else {
        throw Malformed(description: "\(file), line \(index + 1): no vector")
      }
      var fields: [[UInt8]] = []
      for (at, word) in words.dropFirst(2).enumerated() {
        guard let field = word == "=" ? vectors.last?.fields[at] : bytes(word) else {
          throw Malformed(description: "\(file), line \(index + 1): \(word) is no field")
        }
        fields.append(field)
      }
      vectors.append(SealingVector(kind: kind, name: String(words[1]), fields: fields))
    }
    return vectors
  }

  /// The kinds by the words of the files.
  public static let kinds: [Substring: VectorRecord.Kind] = [
    "hpke": .hpke, "refused": .refused, "export": .export, "seal": .seal, "x25519": .x25519,
    "public": .publicKey, "p256": .p256, "flipped": .flipped,
  ]

  private static func bytes(_ hex: Substring) -> [UInt8]? {
    hex == "-" ? [] : [UInt8](hexDigits: hex)
  }
}
