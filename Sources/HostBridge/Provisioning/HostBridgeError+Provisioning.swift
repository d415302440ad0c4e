// Why a board got no identity, and what to do about it.

import LinkProtocol
import ServiceAPI

extension HostBridgeError.Code {
  /// The board does not answer.
  public static let boardSilent = Self(description: "boardSilent")
  /// The board's firmware knows nothing of what it was asked.
  public static let boardOutdated = Self(description: "boardOutdated")
  /// The board was provisioned for another catalog, and stays so.
  public static let boardOfAnotherCatalog = Self(description: "boardOfAnotherCatalog")
  /// The board could not do what it was asked.
  public static let boardFailed = Self(description: "boardFailed")
  /// What the board proved and what it says do not go together.
  public static let identityDiffers = Self(description: "identityDiffers")
  /// The line to the board failed.
  public static let lineFailed = Self(description: "lineFailed")
  /// The service does not answer, or did not do what it was asked.
  public static let serviceFailed = Self(description: "serviceFailed")
}

extension HostBridgeError {
  static let boardSilent = HostBridgeError(
    code: .boardSilent, message: "no board answered in \(ProvisioningConversation.patience)",
    remedy: "Is it powered, at this speed, on this channel, with Martlet in its image? A bridge"
      + " that runs for this board has its line: stop it first.")

  static let boardDoesNotAnswer = HostBridgeError(
    code: .boardSilent,
    message:
      "the board said who it is, but did not answer PROVISION in"
      + " \(ProvisioningConversation.patience)",
    remedy: "Its application has to poll the boot agent; reset the board and try again.")

  static let otherProtocol = HostBridgeError(
    code: .boardOutdated,
    message: "the board does not speak version \(linkProtocolVersion) of the link protocol",
    remedy: "Flash an image and take a bridge that were made with the same release of Martlet.")

  /// The board answered PROVISION with REFUSED.
  static func refusal(_ code: RefusalCode) -> HostBridgeError {
    switch code {
    case .otherService:
      HostBridgeError(
        code: .boardOfAnotherCatalog,
        message: "the board was provisioned for another catalog, or by another service",
        remedy:
          "An identity is for life: to give the board away, erase its flash, state sectors included,"
          + " and flash it anew. It will be another device then.")
    case .unknownType:
      HostBridgeError(
        code: .boardOutdated, message: "the board's firmware is too old to be provisioned",
        remedy: "Flash an image that was built with this release of Martlet.")
    case .flashFailed:
      HostBridgeError(
        code: .boardFailed,
        message: "the board could not draw a key or could not write it to its flash",
        remedy: "Try again; when it goes on, its flash or its source of entropy is broken.")
    case .malformed, .noSuchDump, .outOfRange, .noLease:
      HostBridgeError(
        code: .boardFailed, message: "the board refused the service's keys: \(code)",
        remedy: "Is the address really that of a Martlet service?")
    }
  }

  static func unreadable(_ type: UInt8, _ error: LinkError) -> HostBridgeError {
    HostBridgeError(
      code: .boardFailed,
      message: "the board sent a frame of type \(type) that cannot be read: \(error)",
      remedy: "Flash an image and take a bridge that were made with the same release of Martlet.")
  }

  static func identityDiffers(says: String, is id: String) -> HostBridgeError {
    HostBridgeError(
      code: .identityDiffers,
      message: "the board says that it is device \(says), but its key is that of device \(id)",
      remedy: "Nothing was registered. Reset the board and try again; when it goes on, its flash is"
        + " broken.")
  }

  static let lineClosed = HostBridgeError(
    code: .lineFailed, message: "the line to the board was closed",
    remedy: "Is the board still plugged in? A bridge that runs for it has its line: stop it first.")

  static let offerMalformed = HostBridgeError(
    code: .invalidSetting, message: "the offer's keys are not as long as they have to be",
    remedy: "Ask the service for another, or write --service right.")

  /// The service made no offer for a catalog.
  static func offerFailed(
    _ failure: ServiceFailure, _ request: ProvisioningRequest
  ) -> HostBridgeError {
    guard failure.status == 404, failure.code != ServiceFailure.nameless else {
      return service(failure, "the service made no offer")
    }
    if failure.code == "RouteNotFound" {
      return HostBridgeError(
        code: .serviceFailed, message: "the service is too old to provision boards",
        remedy: "Start one of the same release as this bridge.")
    }
    return HostBridgeError(
      code: .serviceFailed,
      message:
        "the service has no catalog '\(request.catalog)' in resource group"
        + " '\(request.resourceGroup)'",
      remedy: "Make it with: martlet catalog create, or name another with --catalog.")
  }

  /// The service did not register a device's key.
  static func registrationFailed(_ failure: ServiceFailure, device: String) -> HostBridgeError {
    switch failure.status {
    case 409:
      HostBridgeError(
        code: .serviceFailed, message: "the service did not register the device: \(failure)",
        remedy: "Registered for another catalog, it stays there until its flash is erased;"
          + " a challenge that grew old is replaced when you run this command again.")
    case 422:
      HostBridgeError(
        code: .identityDiffers,
        message: "the service does not believe the board's proof: \(failure)",
        remedy: "Run this command again; when it goes on, the line alters what the board says, or"
          + " the board is not what it says.")
    default: service(failure, "the board has its identity, but the service did not register it")
    }
  }

  private static func service(_ failure: ServiceFailure, _ what: String) -> HostBridgeError {
    HostBridgeError(
      code: .serviceFailed, message: "\(what): \(failure)",
      remedy: "Look at --service and at whether the service runs, then run this command again:"
        + " nothing is done twice.")
  }
}
