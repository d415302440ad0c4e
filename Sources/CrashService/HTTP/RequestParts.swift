// Reads names, ids and page marks out of a request's address.

import DumpFormat
import Foundation
import Hummingbird
import ServiceAPI

extension ServiceContext {
  /// A part of the path, percent-decoded.
  func part(_ name: String) throws -> String {
    let raw = parameters.get(name)
    // Foundation takes its time even when there is nothing to decode, as in all that devices ask.
    if let raw, !raw.utf8.contains(UInt8(ascii: "%")) { return raw }
    guard let text = raw?.removingPercentEncoding else {
      throw ServiceFailure.invalid(
        "The path's '\(name)' is not valid percent-encoded UTF-8.", target: name)
    }
    return text
  }

  func catalogScope() throws -> CatalogScope {
    let scope = CatalogScope(
      subscription: try part("subscription"), resourceGroup: try part("resourceGroup"))
    try ResourceNames.checkScope(scope.subscription, kind: "subscription")
    try ResourceNames.checkScope(scope.resourceGroup, kind: "resource group")
    return scope
  }

  func catalog() throws -> CatalogReference {
    CatalogReference(scope: try catalogScope(), name: try part("catalog"))
  }

  func product() throws -> ProductReference {
    ProductReference(catalog: try catalog(), name: try part("product"))
  }

  func deviceGroup() throws -> DeviceGroupReference {
    DeviceGroupReference(product: try product(), name: try part("deviceGroup"))
  }

  func device() throws -> DeviceID { try ResourceNames.device(try part("device")) }

  /// The `{bootCount}-{sequence}` of a dump's path.
  func dumpKey() throws -> DumpKey {
    let text = try part("key")
    let numbers = text.split(separator: "-", omittingEmptySubsequences: false)
    guard numbers.count == 2, let bootCount = UInt32(numbers[0]), let sequence = UInt32(numbers[1]),
      case let key = DumpKey(bootCount: bootCount, sequence: sequence), key.text == text
    else {
      throw ServiceFailure.invalid(
        "'\(text.prefix(60))' is not the key of a dump: two numbers are expected, as in 12-1 (boot "
          + "count and sequence).",
        target: "key")
    }
    return key
  }
}

extension Request {
  /// Scheme and authority of the address that the caller used.
  var origin: String { "\(head.scheme ?? "http")://\(head.authority ?? "localhost")" }
}
