// Who may change consent: a rule about single members of a body, behind the gate.

import ServiceAPI

/// Holds changes of a device group against ``Permission/changeConsent``.
///
/// A caller without it may name consent and boundary as they are, and never changes them. What reaches
/// the store then does not name them at all, so that a change which somebody else makes at the same time
/// is not undone.
struct ConsentRule: Sendable {
  /// How a PUT is carried out.
  enum Put {
    case replace(DeviceGroupChange)
    /// As a change of everything but consent and boundary.
    case keepConsent(DeviceGroupChange)
  }

  let service: CrashService
  let context: ServiceContext

  /// The change that a PATCH may make.
  /// - Throws: ``ServiceFailure`` with 403 when it would change consent and the caller may not.
  func patch(_ change: DeviceGroupChange, of group: DeviceGroupReference) async throws
    -> DeviceGroupChange
  {
    guard !context.principal.may(.changeConsent), change.namesConsent else { return change }
    let current = try await service.management.deviceGroup(group).properties
    try check(change, against: current)
    return change.withoutConsent
  }

  /// What a PUT may do. For a caller that may not change consent, what it leaves out stays.
  /// - Throws: ``ServiceFailure`` with 403 when it names another consent than there is.
  func put(_ change: DeviceGroupChange, of group: DeviceGroupReference) async throws -> Put {
    guard !context.principal.may(.changeConsent) else { return .replace(change) }
    do {
      let current = try await service.management.deviceGroup(group).properties
      try check(change, against: current)
      return .keepConsent(change.withoutConsent.withDefaults)
    } catch let failure as ServiceFailure where failure.status == .notFound {
      try check(change, against: DeviceGroupProperties())
      return .replace(change.withoutConsent)
    }
  }

  private func check(_ change: DeviceGroupChange, against current: DeviceGroupProperties) throws {
    let consent = change.properties?.allowCrashDumpsCollection
    let boundary = change.properties?.regionalDataBoundary
    if consent ?? current.allowCrashDumpsCollection != current.allowCrashDumpsCollection {
      throw ServiceFailure.consentNotPermitted("allowCrashDumpsCollection")
    }
    if boundary ?? current.regionalDataBoundary != current.regionalDataBoundary {
      throw ServiceFailure.consentNotPermitted("regionalDataBoundary")
    }
    let days = change.properties?.crashDumpRetentionDays
    if days ?? current.crashDumpRetentionDays != current.crashDumpRetentionDays {
      throw ServiceFailure.consentNotPermitted("crashDumpRetentionDays")
    }
  }
}

extension DeviceGroupChange {
  fileprivate var namesConsent: Bool {
    properties?.allowCrashDumpsCollection != nil || properties?.regionalDataBoundary != nil
      || properties?.crashDumpRetentionDays != nil
  }

  fileprivate var withoutConsent: DeviceGroupChange {
    var change = self
    change.properties?.allowCrashDumpsCollection = nil
    change.properties?.regionalDataBoundary = nil
    change.properties?.crashDumpRetentionDays = nil
    return change
  }

  /// What a PUT sets back, consent aside.
  fileprivate var withDefaults: DeviceGroupChange {
    var change = self
    let defaults = DeviceGroupProperties()
    var properties = change.properties ?? Properties()
    properties.description = properties.description ?? defaults.description
    properties.osFeedType = properties.osFeedType ?? defaults.osFeedType
    properties.updatePolicy = properties.updatePolicy ?? defaults.updatePolicy
    change.properties = properties
    return change
  }
}

extension ServiceFailure {
  fileprivate static func consentNotPermitted(_ property: String) -> ServiceFailure {
    ServiceFailure(
      .forbidden, code: "AuthorizationFailed",
      message: "The caller's role does not permit a change of '\(property)'. It takes one of: "
        + "\(Role.names(permitting: .changeConsent)). Nothing was changed.",
      target: "properties.\(property)")
  }
}
