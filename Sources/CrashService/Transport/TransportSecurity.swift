// Which certificate new connections see: looked after while the service runs.

import Foundation
import Logging
import NIOSSL
import ServiceLifecycle
import Synchronization

/// Keeps the server's certificate good: renews the service's own in time, and takes an operator's new one when
/// its files change. Connections that are open keep the one they began with.
///
/// With a certificate that has ended nobody is served: each connection is closed before a byte is read, until
/// there is a good one again.
public final class TransportSecurity: Service {
  private struct State {
    var certificate: ServerCertificate
    var context: NIOSSLContext
    /// Of the files that the certificate came from, or that were tried last.
    var fingerprint: String?
    /// Whether it was said that the certificate is not valid.
    var saidInvalid = false
  }

  /// How often files and dates are looked at.
  private static let interval: Duration = .seconds(1)

  private let source: ServerCertificateSource
  /// Whoever it vouches for is a bridge.
  private let clients: CertificateAuthority
  private let now: @Sendable () -> Date
  private let logger: Logger
  private let state: Mutex<State>

  /// - Parameters:
  ///   - source: the certificate that the service shows.
  ///   - clients: the authority that bridges' certificates come from.
  /// - Throws: ``ServiceStartFailure``.
  public init(
    source: ServerCertificateSource, clients: CertificateAuthority,
    now: @escaping @Sendable () -> Date = { Date() }, logger: Logger
  ) throws {
    self.source = source
    self.clients = clients
    self.now = now
    self.logger = logger
    do {
      let fingerprint = source.fingerprint
      let certificate = try source.certificate(now: now())
      let context = try certificate.context(clients: clients)
      state = Mutex(State(certificate: certificate, context: context, fingerprint: fingerprint))
    } catch let failure as ServiceStartFailure {
      throw failure
    } catch {
      throw ServiceStartFailure.certificate(
        "The server's certificate cannot be used: \(error)",
        "Check that --tls-certificate and --tls-key name a certificate and its own key, both in PEM "
          + "form, and that this user may read them")
    }
  }

  /// What a new connection is set up with; `nil` when the certificate is not valid now.
  func context() -> NIOSSLContext? {
    let time = now()
    return state.withLock { $0.certificate.isValid(at: time) ? $0.context : nil }
  }

  /// Looks at files and dates every second, until the service ends.
  public func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        self.refresh()
        try? await Task.sleep(for: Self.interval)
      }
    }
  }

  /// Takes a certificate that is new, or due.
  func refresh() {
    let time = now()
    let fingerprint = source.fingerprint
    let (known, certificate) = state.withLock { ($0.fingerprint, $0.certificate) }
    let isChanged = fingerprint != known
    // The service's own is renewed by asking for it once two thirds of its time are over.
    let isDue =
      fingerprint == nil
      && certificate.notValidAfter.timeIntervalSince(time)
        <= CertificateAuthority.serverLifetime / 3
    if isChanged || isDue { replace(fingerprint, time) }
    sayIfInvalid(time)
  }

  private func replace(_ fingerprint: String?, _ time: Date) {
    do {
      let certificate = try source.certificate(now: time)
      let context = try certificate.context(clients: clients)
      state.withLock {
        $0 = State(certificate: certificate, context: context, fingerprint: fingerprint)
      }
      logger.notice(
        "new server certificate", metadata: ["validUntil": "\(certificate.notValidAfter)"])
    } catch {
      // Tried again when the files change once more.
      state.withLock { $0.fingerprint = fingerprint }
      logger.error(
        "the new server certificate cannot be used, the old one stays",
        metadata: ["reason": "\(error)"])
    }
  }

  private func sayIfInvalid(_ time: Date) {
    let ended: Date? = state.withLock { state in
      let isValid = state.certificate.isValid(at: time)
      defer { state.saidInvalid = !isValid }
      return isValid || state.saidInvalid ? nil : state.certificate.notValidAfter
    }
    guard let ended else { return }
    logger.error(
      "the server certificate is not valid now: connections are refused until it is replaced",
      metadata: ["validUntil": "\(ended)"])
  }
}
