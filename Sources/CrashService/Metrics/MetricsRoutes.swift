// The page that Prometheus fetches.

import HTTPTypes
import Hummingbird
import NIOCore
import PrometheusMetrics

struct MetricsRoutes: EndpointGroup {
  let service: CrashService

  var endpoints: [Endpoint] {
    [
      Endpoint(
        .get, "/metrics", id: "Metrics_Get", "Shows what the service counts, for Prometheus.",
        tag: .operation, access: .init(.readResources, in: .handler),
        answers: [EndpointAnswer(.ok, .text("text/plain"), "All metrics.")]
      ) { _, context in
        // Numbers of all catalogs.
        guard context.principal.catalogs == .all else { throw ServiceFailure.catalogOutOfScope }
        return Response(
          status: .ok, headers: [.contentType: MetricsText.type],
          body: ResponseBody(byteBuffer: ByteBuffer(string: await service.metricsPage())))
      }
    ]
  }
}

extension CrashService {
  /// Everything that is counted, as Prometheus reads it.
  func metricsPage() async -> String {
    for check in await readiness.report().checks { metrics.ready(check.name, check.isOK) }
    for (name, waiting) in dumps.waiting { metrics.waiting(waiting, in: name) }
    for store in dumps.all {
      do {
        let oldest = try await within(.seconds(2)) { try await store.oldest() }
        metrics.oldest(oldest.map { max(0, now().timeIntervalSince($0)) } ?? 0, in: store.region)
      } catch {
        // A database that is away leaves the last age that was known.
        continue
      }
    }
    var page = MetricsText()
    metrics.registry.write(to: &page)
    page.single(
      "process_start_time_seconds", .gauge, "When the service was started",
      started.timeIntervalSince1970)
    page.single(
      "process_resident_memory_bytes", .gauge, "Memory of the service that is in use",
      ProcessUsage.residentBytes)
    page.single(
      "process_open_fds", .gauge, "File descriptors that are open", ProcessUsage.openDescriptors)
    return page.text
  }
}
