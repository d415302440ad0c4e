// A board's identity as programs and people read it.

import Foundation
import ServiceAPI

extension BoardIdentity {
  /// The id and the proof in one JSON object, as `martlet device claim --identity` reads it.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Strings and base64 alone: nothing that cannot be encoded.
    let data = try? encoder.encode(ProvisionedIdentity(deviceId: deviceID, proof: proof))
    return String(decoding: data ?? Data(), as: UTF8.self)
  }

  /// What was done, and what to do next.
  ///
  /// - Parameter catalog: where the service registered the device; `nil` when it was not asked.
  public func text(catalog: String?) -> String {
    let what = isOld ? "The board has had its identity before" : "The board has its identity now"
    guard let catalog else {
      return """
        \(what): device
        \(deviceID)
        The service does not know it yet. Take what -o json prints to where the service is, within ten \
        minutes of the offer, and claim the device with it:
          martlet device claim --identity FILE --product PRODUCT --device-group GROUP
        """
    }
    return """
      \(what), and the service knows it: device
      \(deviceID)
      Claim it into a device group of the catalog \(TerminalText.field(catalog)), unless it is:
        martlet device claim --device \(deviceID) --product PRODUCT --device-group GROUP
      """
  }
}
