// Lets others know how each call to the service ended, whoever made it.

import ServiceAPI

/// A call to the service.
public enum ServiceCall: String, Sendable {
  case lease, offer, upload, count, consents
}

/// How a call ended: what went wrong, or `nil`. Called from any task; it does not wait.
public typealias ServiceObserver = @Sendable (ServiceCall, ServiceFailure?) -> Void

/// Passes every call on, and tells how it ended.
public struct ObservedServiceClient: ServiceClient {
  private let base: any ServiceClient
  private let observer: ServiceObserver

  public init(_ base: any ServiceClient, observer: @escaping ServiceObserver) {
    self.base = base
    self.observer = observer
  }

  public func lease(
    device: String, _ request: LeaseRequest
  ) async throws(ServiceFailure) -> LeaseAnswer {
    try await observed(.lease) { () async throws(ServiceFailure) in
      try await base.lease(device: device, request)
    }
  }

  public func offer(
    device: String, _ request: OfferRequest
  ) async throws(ServiceFailure) -> OfferAnswer {
    try await observed(.offer) { () async throws(ServiceFailure) in
      try await base.offer(device: device, request)
    }
  }

  public func upload(
    _ identity: DumpIdentity, bytes: [UInt8]
  ) async throws(ServiceFailure) -> DumpReceipt {
    try await observed(.upload) { () async throws(ServiceFailure) in
      try await base.upload(identity, bytes: bytes)
    }
  }

  public func count(
    device: String, _ request: CountRequest
  ) async throws(ServiceFailure) -> CountAnswer {
    try await observed(.count) { () async throws(ServiceFailure) in
      try await base.count(device: device, request)
    }
  }

  public func consents(_ request: ConsentRequest) async throws(ServiceFailure) -> ConsentAnswer {
    try await observed(.consents) { () async throws(ServiceFailure) in
      try await base.consents(request)
    }
  }

  private func observed<Answer>(
    _ call: ServiceCall, _ body: () async throws(ServiceFailure) -> Answer
  ) async throws(ServiceFailure) -> Answer {
    do throws(ServiceFailure) {
      let answer = try await body()
      observer(call, nil)
      return answer
    } catch {
      // A call that was given up here says nothing about the service.
      if !Task.isCancelled { observer(call, error) }
      throw error
    }
  }
}
