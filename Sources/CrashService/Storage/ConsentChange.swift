// How things stand with devices that were asked for lately.

import ServiceAPI
import Synchronization

/// Standings by device, a bounded number of them. The least used go first, in halves: what is asked for
/// moves to the young half, and when that is full the old one is dropped for it.
final class StandingCache: Sendable {
  private struct Halves {
    var young: [DeviceID: DeviceStanding] = [:]
    var old: [DeviceID: DeviceStanding] = [:]
  }

  private let half: Int
  private let halves = Mutex(Halves())

  init(most: Int = 50_000) { half = max(1, most / 2) }

  subscript(device: DeviceID) -> DeviceStanding? {
    halves.withLock { halves in
      if let found = halves.young[device] { return found }
      guard let found = halves.old[device] else { return nil }
      keep(found, &halves)
      return found
    }
  }

  func keep(_ standing: DeviceStanding) { halves.withLock { keep(standing, &$0) } }

  func forget(_ devices: ConsentChange) {
    halves.withLock { halves in
      switch devices {
      case .all: halves = Halves()
      case .devices(let devices):
        for device in devices {
          halves.young[device] = nil
          halves.old[device] = nil
        }
      }
    }
  }

  private func keep(_ standing: DeviceStanding, _ halves: inout Halves) {
    if halves.young.count >= half {
      halves.old = halves.young
      halves.young = [:]
    }
    halves.young[standing.device] = standing
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
