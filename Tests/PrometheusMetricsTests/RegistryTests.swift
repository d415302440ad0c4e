// What is counted through swift-metrics, as a page shows it.

import Metrics
import MartletTestKit
import PrometheusMetrics
import Testing

@Suite struct RegistryTests {
  private static func registry(mostSamples: Int = 100) -> PrometheusRegistry {
    PrometheusRegistry(
      [
        .counter("things_total", "Things that came"), .gauge("level", "How high it stands"),
        .histogram("wait_seconds", "How long it took", bounds: [0.1, 1]),
      ], mostSamples: mostSamples)
  }

  private static func text(_ registry: PrometheusRegistry) -> String {
    var page = MetricsText()
    registry.write(to: &page)
    return page.text
  }

  @Test func `nothing is shown of what nobody counted`() {
    let registry = Self.registry()
    _ = Meter(label: "level", factory: registry)
    #expect(Self.text(registry) == "")
  }

  @Test func `counters and gauges show what they were told, hostile labels too`() throws {
    let registry = Self.registry()
    let hostile = "a\"b\\c\nd} 1\r\n"
    Counter(label: "things_total", dimensions: [("kind", hostile)], factory: registry)
      .increment(by: 3)
    // Another instrument of the same labels counts on.
    let again = Counter(label: "things_total", dimensions: [("kind", hostile)], factory: registry)
    again.increment()
    again.increment(by: -10)
    let level = Meter(label: "level", factory: registry)
    level.set(2.5)
    level.decrement(by: 1)
    let page = try PrometheusPage(Self.text(registry))
    #expect(page["things_total", ["kind": hostile]] == 4)
    #expect(page["level"] == 1.5)
  }

  @Test func `a histogram puts each figure into the buckets up to it`() throws {
    let registry = Self.registry()
    let timer = Metrics.Timer(label: "wait_seconds", dimensions: [("of", "x")], factory: registry)
    timer.record(duration: .milliseconds(100))
    timer.record(duration: .milliseconds(500))
    timer.record(duration: .seconds(30))
    let page = try PrometheusPage(Self.text(registry))
    #expect(page["wait_seconds_bucket", ["of": "x", "le": "0.1"]] == 1)
    #expect(page["wait_seconds_bucket", ["of": "x", "le": "1"]] == 2)
    #expect(page["wait_seconds_bucket", ["of": "x", "le": "+Inf"]] == 3)
    #expect(page["wait_seconds_count", ["of": "x"]] == 3)
    #expect(page["wait_seconds_sum", ["of": "x"]] == 30.6)
  }

  @Test func `what has no name or no room is dropped and said to be`() throws {
    let registry = Self.registry(mostSamples: 2)
    for number in 0..<5 {
      Counter(label: "things_total", dimensions: [("kind", "\(number)")], factory: registry)
        .increment()
    }
    Counter(label: "nobody_said_total", factory: registry).increment()
    // A name of another kind.
    Counter(label: "level", factory: registry).increment()
    #expect(registry.droppedSamples == 5)
    let page = try PrometheusPage(Self.text(registry))
    #expect(page.samples.map(\.name) == ["things_total", "things_total"])
  }

  @Test func `nothing is lost when many count at once`() async throws {
    let registry = Self.registry()
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for number in 0..<1000 {
            Counter(label: "things_total", factory: registry).increment()
            Recorder(label: "wait_seconds", factory: registry).record(number)
          }
        }
      }
    }
    let page = try PrometheusPage(Self.text(registry))
    #expect(page["things_total"] == 8000)
    #expect(page["wait_seconds_count"] == 8000)
    #expect(page["wait_seconds_bucket", ["le": "1"]] == 16)
  }
}
