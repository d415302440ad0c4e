// Instruments of one family by their labels.

import Synchronization

/// Instruments that are made when they are first asked for. A second one of the same labels would be looked
/// up by all its labels each time it counts.
final class Instruments<Key: Hashable & Sendable, Instrument: Sendable>: Sendable {
  private let made = Mutex<[Key: Instrument]>([:])
  private let make: @Sendable (Key) -> Instrument

  init(_ make: @escaping @Sendable (Key) -> Instrument) { self.make = make }

  subscript(key: Key) -> Instrument {
    made.withLock { made in
      if let instrument = made[key] { return instrument }
      let instrument = make(key)
      made[key] = instrument
      return instrument
    }
  }
}
