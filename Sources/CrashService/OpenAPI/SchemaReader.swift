// Reads the JSON schema of a type off the type itself, so that no second description can become wrong.

import Foundation
import ServiceAPI

/// Collects the schemas of types, by name.
final class SchemaReader {
  /// Schemas of the types with members, by their names.
  private(set) var components: [String: JSONValue] = [:]

  /// The schema of a type: a reference for one with members.
  func schema(of type: any Any.Type) -> JSONValue {
    switch type {
    case is String.Type: return ["type": "string"]
    case is Bool.Type: return ["type": "boolean"]
    case is Double.Type, is Float.Type: return ["type": "number"]
    case is Date.Type: return ["type": "string", "format": "date-time"]
    case is Data.Type: return ["type": "string", "contentEncoding": "base64"]
    case let type as any UnsignedInteger.Type:
      return type is UInt32.Type
        ? ["type": "integer", "minimum": 0, "maximum": .integer(Int(UInt32.max))]
        : ["type": "integer", "minimum": 0]
    case is any SignedInteger.Type: return ["type": "integer"]
    case let type as any ClosedChoice.Type: return type.schema
    case let type as any SchemaContainer.Type: return type.schema(self)
    case let type as any Decodable.Type: return object(type)
    default: return [:]
    }
  }

  /// A reference to the schema of a type with members.
  private func object(_ type: any Decodable.Type) -> JSONValue {
    let name = Self.name(of: type)
    let reference: JSONValue = ["$ref": .string("#/components/schemas/\(name)")]
    guard components[name] == nil else { return reference }
    components[name] = [:]
    let probe = SchemaProbe(reader: self)
    _ = try? type.init(from: probe)
    components[name] =
      probe.members.isEmpty
      ? (probe.single ?? [:])
      : [
        "type": "object", "properties": .object(probe.members),
        "required": .array(probe.required.sorted().map(JSONValue.string)),
      ]
    return reference
  }

  /// `DeviceCrashesKind` for `ServiceAPI.DeviceCrashes.Kind`.
  private static func name(of type: any Decodable.Type) -> String {
    String(reflecting: type)
      .replacing("ServiceAPI.", with: "").replacing("CrashService.", with: "")
      .filter { $0.isLetter || $0.isNumber }
  }
}

/// A type that holds others.
private protocol SchemaContainer {
  static func schema(_ reader: SchemaReader) -> JSONValue
}

extension Array: SchemaContainer {
  static func schema(_ reader: SchemaReader) -> JSONValue {
    ["type": "array", "items": reader.schema(of: Element.self)]
  }
}

extension Dictionary: SchemaContainer {
  static func schema(_ reader: SchemaReader) -> JSONValue {
    ["type": "object", "additionalProperties": reader.schema(of: Value.self)]
  }
}

extension Optional: SchemaContainer {
  static func schema(_ reader: SchemaReader) -> JSONValue { reader.schema(of: Wrapped.self) }
}

extension ClosedChoice {
  fileprivate static var schema: JSONValue {
    ["type": "string", "enum": .array(allCases.map { .string($0.rawValue) })]
  }

  fileprivate static var example: Self? { allCases.first }
}

/// Decodes nothing, and notes what is asked for.
private final class SchemaProbe: Decoder {
  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]
  let reader: SchemaReader
  var members: [String: JSONValue] = [:]
  var required: Set<String> = []
  /// For a type that is one value.
  var single: JSONValue?

  init(reader: SchemaReader) { self.reader = reader }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(KeyedProbe<Key>(probe: self))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw ProbeEnd() }

  func singleValueContainer() -> any SingleValueDecodingContainer { SingleProbe(probe: self) }

  /// A value to go on with.
  func example<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let values: [Any?] = [
      "", false, 0, 0.0, UInt8(0), UInt32(0), UInt64(0), Int64(0), UInt(0), Int32(0), Float(0),
      Date(),
      Data(), (type as? any ClosedChoice.Type)?.example, (type as? any EmptyValue.Type)?.empty,
    ]
    for case let value as Value in values.compactMap({ $0 }) { return value }
    return try Value(from: SchemaProbe(reader: SchemaReader()))
  }
}

/// Ends the reading of a type that is not made of members.
private struct ProbeEnd: Error {}

private protocol EmptyValue {
  static var empty: Any { get }
}

extension Array: EmptyValue {
  static var empty: Any { Self() }
}

extension Dictionary: EmptyValue {
  static var empty: Any { Self() }
}

private struct KeyedProbe<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let probe: SchemaProbe
  let codingPath: [any CodingKey] = []
  var allKeys: [Key] { [] }

  func contains(_ key: Key) -> Bool { false }
  func decodeNil(forKey key: Key) -> Bool { true }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    probe.members[key.stringValue] = probe.reader.schema(of: type)
    probe.required.insert(key.stringValue)
    return try probe.example(type)
  }

  func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) -> Value? {
    probe.members[key.stringValue] = probe.reader.schema(of: type)
    return nil
  }

  // The protocol has one of these for each simple type, and calls them instead.
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try note(type, key) }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try note(type, key) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try note(type, key) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try note(type, key) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try note(type, key) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try note(type, key) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try note(type, key) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try note(type, key) }
  func decodeIfPresent(_ type: String.Type, forKey key: Key) -> String? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: Bool.Type, forKey key: Key) -> Bool? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: Double.Type, forKey key: Key) -> Double? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: Int.Type, forKey key: Key) -> Int? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: Int64.Type, forKey key: Key) -> Int64? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) -> UInt8? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) -> UInt32? { noteMaybe(type, key) }
  func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) -> UInt64? { noteMaybe(type, key) }

  private func note<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value {
    probe.members[key.stringValue] = probe.reader.schema(of: type)
    probe.required.insert(key.stringValue)
    return try probe.example(type)
  }

  private func noteMaybe<Value: Decodable>(_ type: Value.Type, _ key: Key) -> Value? {
    probe.members[key.stringValue] = probe.reader.schema(of: type)
    return nil
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  { throw ProbeEnd() }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    throw ProbeEnd()
  }
  func superDecoder() throws -> any Decoder { throw ProbeEnd() }
  func superDecoder(forKey key: Key) throws -> any Decoder { throw ProbeEnd() }
}

private struct SingleProbe: SingleValueDecodingContainer {
  let probe: SchemaProbe
  let codingPath: [any CodingKey] = []

  func decodeNil() -> Bool { false }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    probe.single = probe.reader.schema(of: type)
    return try probe.example(type)
  }
}
