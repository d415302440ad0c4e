// Provisioning over HTTP.

import ServiceAPI

extension HTTPServiceClient: ProvisioningService {
  public func offer(
    _ request: ProvisioningRequest
  ) async throws(ServiceFailure) -> ProvisioningOffer {
    try await send(.POST, request, to: ProvisioningPath.offers)
  }

  public func register(
    device: String, _ proof: DeviceIdentityProof
  ) async throws(ServiceFailure) -> RegisteredDevice {
    try await send(.PUT, proof, to: ProvisioningPath.identity(device: device))
  }
}
