// Reads the identity of a device that `martlet-bridge provision` printed.

import Foundation
import ServiceAPI

/// Who a device is, and its proof.
struct IdentityFile {
  var device: DeviceID
  var proof: DeviceIdentityProof

  /// - Parameter path: `-` reads standard input.
  static func read(_ path: String) throws(CommandFailure) -> IdentityFile {
    let data: Data
    do {
      data =
        path == "-"
        ? try FileHandle.standardInput.readToEnd() ?? Data()
        : try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw CommandFailure(
        message: "The identity \(path) cannot be read: \(error.localizedDescription)",
        remedy: "Name a file that martlet-bridge provision wrote.")
    }
    guard let identity = try? ServiceJSON.decoder().decode(ProvisionedIdentity.self, from: data),
      let device = DeviceID(identity.deviceId)
    else {
      throw CommandFailure(
        message: "\(path) holds no identity of a device.",
        remedy: "Name a file with what martlet-bridge provision printed, and nothing else in it.")
    }
    return IdentityFile(device: device, proof: identity.proof)
  }
}
