// Metrics of swift-metrics as a page that Prometheus fetches.

import CoreMetrics
import Synchronization

/// Makes instruments of the families that it knows, and writes them all to a page.
///
/// What belongs to no family, or would be one sample too many of its own, is not counted: so memory and
/// page are bounded whatever the labels are, and ``droppedSamples`` tells of it.
public final class PrometheusRegistry: Sendable {
  private struct Labels: Hashable {
    var pairs: [String]

    init(_ dimensions: [(String, String)]) { pairs = dimensions.flatMap { [$0.0, $0.1] } }

    var dimensions: [(String, String)] {
      stride(from: 0, to: pairs.count, by: 2).map { (pairs[$0], pairs[$0 + 1]) }
    }
  }

  fileprivate enum Instrument {
    case counter(PrometheusCounter)
    case gauge(PrometheusGauge)
    case histogram(PrometheusHistogram)
  }

  private struct State {
    var instruments: [String: [Labels: Instrument]] = [:]
    var dropped = 0
  }

  private let families: [PrometheusFamily]
  private let byName: [String: PrometheusFamily]
  private let mostSamples: Int
  private let state = Mutex(State())

  /// - Parameters:
  ///   - families: in the order of the page. Of two with one name the first counts.
  ///   - mostSamples: the most sets of labels of one family.
  public init(_ families: [PrometheusFamily], mostSamples: Int = 2000) {
    self.families = families
    self.mostSamples = mostSamples
    byName = Dictionary(families.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Instruments that were asked for and not made.
  public var droppedSamples: Int { state.withLock { $0.dropped } }

  /// Adds every family that has a sample.
  public func write(to page: inout MetricsText) {
    let instruments = state.withLock { $0.instruments }
    for family in families {
      let samples = (instruments[family.name] ?? [:]).sorted {
        $0.key.pairs.lexicographicallyPrecedes($1.key.pairs)
      }
      guard samples.contains(where: { $0.value.isKnown }) else { continue }
      page.begin(family.name, family.kind, family.help)
      for (labels, instrument) in samples {
        instrument.write(family.name, labels.dimensions, to: &page)
      }
    }
  }

  private func instrument<Handler>(
    _ label: String, _ dimensions: [(String, String)], _ kind: MetricsText.Kind,
    _ handler: (Instrument) -> Handler?
  ) -> Handler? {
    state.withLock { state in
      let labels = Labels(dimensions)
      if let known = state.instruments[label]?[labels] { return handler(known) }
      guard let family = byName[label], family.kind == kind,
        state.instruments[label]?.count ?? 0 < mostSamples
      else {
        state.dropped += 1
        return nil
      }
      let made: Instrument =
        switch kind {
        case .counter: .counter(PrometheusCounter())
        case .gauge: .gauge(PrometheusGauge())
        case .histogram: .histogram(PrometheusHistogram(bounds: family.bounds))
        }
      state.instruments[label, default: [:]][labels] = made
      return handler(made)
    }
  }
}

extension PrometheusRegistry.Instrument {
  fileprivate var isKnown: Bool {
    if case .gauge(let gauge) = self { return gauge.value != nil }
    return true
  }

  fileprivate func write(
    _ name: String, _ labels: [(String, String)], to page: inout MetricsText
  ) {
    switch self {
    case .counter(let counter): page.sample(name, labels, counter.value)
    case .gauge(let gauge):
      if let value = gauge.value { page.sample(name, labels, value) }
    case .histogram(let histogram):
      let contents = histogram.contents
      var sum: Int64 = 0
      for (bound, count) in zip(histogram.bounds + [.infinity], contents.counts) {
        sum += count
        page.sample("\(name)_bucket", labels + [("le", MetricsText.figure(bound))], Double(sum))
      }
      page.sample("\(name)_sum", labels, contents.sum)
      page.sample("\(name)_count", labels, Double(sum))
    }
  }
}

extension PrometheusRegistry: MetricsFactory {
  public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    instrument(label, dimensions, .counter) {
      if case .counter(let counter) = $0 { counter } else { nil }
    } ?? NoInstrument()
  }

  public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    gauge(label, dimensions) ?? NoInstrument()
  }

  /// - Parameter aggregate: a histogram; otherwise the last value is a gauge.
  public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool)
    -> any RecorderHandler
  {
    if !aggregate { return gauge(label, dimensions) ?? NoInstrument() }
    return histogram(label, dimensions) ?? NoInstrument()
  }

  /// A histogram of seconds.
  public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    histogram(label, dimensions) ?? NoInstrument()
  }

  private func gauge(_ label: String, _ dimensions: [(String, String)]) -> PrometheusGauge? {
    instrument(label, dimensions, .gauge) { if case .gauge(let gauge) = $0 { gauge } else { nil } }
  }

  private func histogram(_ label: String, _ dimensions: [(String, String)])
    -> PrometheusHistogram?
  {
    instrument(label, dimensions, .histogram) {
      if case .histogram(let histogram) = $0 { histogram } else { nil }
    }
  }

  // What was counted stays on the page: a counter that went away and came back would fall.
  public func destroyCounter(_ handler: any CounterHandler) {}
  public func destroyMeter(_ handler: any MeterHandler) {}
  public func destroyRecorder(_ handler: any RecorderHandler) {}
  public func destroyTimer(_ handler: any TimerHandler) {}
}
