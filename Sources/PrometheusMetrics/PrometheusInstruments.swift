// The counters, gauges and histograms behind swift-metrics.

import CoreMetrics
import Synchronization

/// A number that grows.
final class PrometheusCounter: CounterHandler {
  private let count = Atomic<Int64>(0)

  var value: Double { Double(count.load(ordering: .relaxed)) }

  func increment(by amount: Int64) {
    // A counter never falls: Prometheus would take that for a restart.
    if amount > 0 { count.wrappingAdd(amount, ordering: .relaxed) }
  }

  func reset() { count.store(0, ordering: .relaxed) }
}

/// A number that is as it is; not known until it is set.
final class PrometheusGauge: MeterHandler, RecorderHandler {
  private let number = Mutex<Double?>(nil)

  var value: Double? { number.withLock { $0 } }

  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { number.withLock { $0 = value } }
  func increment(by amount: Double) { number.withLock { $0 = ($0 ?? 0) + amount } }
  func decrement(by amount: Double) { increment(by: -amount) }
  func record(_ value: Int64) { set(value) }
  func record(_ value: Double) { set(value) }
}

/// How often numbers up to each of some bounds came.
final class PrometheusHistogram: RecorderHandler, TimerHandler {
  struct Contents {
    /// One more than there are bounds: the last takes what is beyond all of them.
    var counts: [Int64]
    var sum = 0.0
  }

  let bounds: [Double]
  private let state: Mutex<Contents>

  init(bounds: [Double]) {
    self.bounds = bounds
    state = Mutex(Contents(counts: [Int64](repeating: 0, count: bounds.count + 1)))
  }

  var contents: Contents { state.withLock { $0 } }

  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    guard !value.isNaN else { return }
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock {
      $0.counts[bucket] += 1
      $0.sum += value
    }
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}

/// Takes what there is no room or no name for.
final class NoInstrument: CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
  func increment(by amount: Int64) {}
  func increment(by amount: Double) {}
  func decrement(by amount: Double) {}
  func set(_ value: Int64) {}
  func set(_ value: Double) {}
  func record(_ value: Int64) {}
  func record(_ value: Double) {}
  func recordNanoseconds(_ duration: Int64) {}
  func reset() {}
}
