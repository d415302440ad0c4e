// With which devices things may stand otherwise after a change, and what is remembered of the others.

import ServiceAPI

extension BoundedCache where Name == DeviceID, Value == DeviceStanding {
  func keep(_ standing: DeviceStanding) { keep(standing, as: standing.device) }

  func forget(_ change: ConsentChange) {
    switch change {
    case .all: removeAll()
    case .devices(let devices): for device in devices { remove(device) }
    }
  }
}

/// With which devices things may stand otherwise after a change.
enum ConsentChange: Sendable, Equatable {
  case all
  case devices([DeviceID])

  /// More are told as all of them: a message between processes has an end.
  private static let mostTold = 32

  /// As other processes are told.
  var message: String {
    guard case .devices(let devices) = self, devices.count <= Self.mostTold else { return "all" }
    return devices.map(\.text).joined(separator: " ")
  }

  /// A message that is not understood means all of them.
  init(message: String) {
    let words = message.split(separator: " ")
    let devices = words.compactMap { DeviceID(String($0)) }
    self = devices.count == words.count ? .devices(devices) : .all
  }
}
