// Provisions a board: the service's offer, the line to the board, the registration.

import Logging
import SerialLink
import ServiceAPI

/// What provisioning asks of the service.
public protocol ProvisioningService: Sendable {
  /// Asks what a board needs to belong to a catalog.
  func offer(_ request: ProvisioningRequest) async throws(ServiceFailure) -> ProvisioningOffer

  /// Makes a device's public key known. Doing it again changes nothing.
  func register(
    device: String, _ proof: DeviceIdentityProof
  ) async throws(ServiceFailure) -> RegisteredDevice
}

/// Gives one board its identity.
public struct BoardProvisioner: Sendable {
  private let transport: any BoardTransport
  private let clock: BridgeClock

  public init(transport: any BoardTransport = BoardLines(), clock: BridgeClock = .system) {
    self.transport = transport
    self.clock = clock
  }

  /// Asks the service for an offer, hands it to the board, and registers what the board proved. A board
  /// that has its identity proves it anew.
  ///
  /// - Throws: ``HostBridgeError``, `CancellationError`.
  public func provision(
    _ address: BoardAddress, for request: ProvisioningRequest, by service: any ProvisioningService
  ) async throws -> (board: BoardIdentity, registered: RegisteredDevice) {
    let offer: ProvisioningOffer
    do throws(ServiceFailure) {
      offer = try await service.offer(request)
    } catch {
      throw HostBridgeError.offerFailed(error, request)
    }
    let board = try await identify(address, by: offer)
    do throws(ServiceFailure) {
      return (board, try await service.register(device: board.deviceID, board.proof))
    } catch {
      throw HostBridgeError.registrationFailed(error, device: board.deviceID)
    }
  }

  /// Hands an offer to the board and takes its identity, without the service.
  ///
  /// - Throws: ``HostBridgeError``, `CancellationError`.
  public func identify(
    _ address: BoardAddress, by offer: ProvisioningOffer
  ) async throws -> BoardIdentity {
    guard offer.signingKey.count == 64, offer.claimKey.count == 32, offer.challenge.count == 16
    else { throw HostBridgeError.offerMalformed }
    do {
      return try await transport.withConnection(to: address) { inbound, outbound in
        try await ProvisioningSession(offer: offer, clock: clock).run(inbound, outbound)
      }
    } catch let error as SerialLinkError {
      throw HostBridgeError(
        code: .lineFailed, message: error.message,
        remedy: error.code == .busy ? "Stop the bridge that runs for this board." : error.remedy)
    }
  }
}

/// One line and one conversation on it, until that has come to its end.
private actor ProvisioningSession {
  /// For what is still to be written when all is said.
  private static let farewell = Duration.seconds(1)

  private let conversation: ProvisioningConversation
  private let clock: BridgeClock
  private let timer = Doorbell()
  private let outgoing: AsyncStream<[UInt8]>
  private let output: AsyncStream<[UInt8]>.Continuation
  private var outcome: Result<BoardIdentity, HostBridgeError>?

  init(offer: ProvisioningOffer, clock: BridgeClock) {
    conversation = ProvisioningConversation(offer: offer)
    self.clock = clock
    (outgoing, output) = AsyncStream.makeStream()
  }

  func run(_ inbound: BoardInbound, _ outbound: BoardOutbound) async throws -> BoardIdentity {
    perform(conversation.connected(now: clock.now))
    let outgoing = outgoing
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for try await chunk in inbound { await self.receive(chunk) }
      }
      // Ends when there is nothing more to say.
      group.addTask { for await bytes in outgoing { try await outbound.write(bytes) } }
      group.addTask { await self.keepTime() }
      // The first to end ends them all.
      defer { group.cancelAll() }
      try await group.next()
    }
    try Task.checkCancellation()
    guard let outcome else { throw HostBridgeError.lineClosed }
    return try outcome.get()
  }

  private func receive(_ chunk: [UInt8]) {
    perform(conversation.receive(chunk, now: clock.now))
  }

  private func keepTime() async {
    while outcome == nil, !Task.isCancelled {
      await timer.wait(until: conversation.nextDeadline, on: clock)
      perform(conversation.tick(now: clock.now))
    }
    // A failure is told at once, also when the line takes nothing.
    if case .success = outcome { try? await clock.sleep(until: clock.now + Self.farewell) }
  }

  private func perform(_ actions: [ProvisioningConversation.Action]) {
    for action in actions {
      switch action {
      case .send(let bytes): output.yield(bytes)
      case .provisioned(let board): end(.success(board))
      case .failed(let error): end(.failure(error))
      }
    }
    timer.ring()
  }

  private func end(_ result: Result<BoardIdentity, HostBridgeError>) {
    outcome = outcome ?? result
    output.finish()
  }
}
