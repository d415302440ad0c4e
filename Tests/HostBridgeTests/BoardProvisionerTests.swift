// Provisioning from the service's offer to its registration, and with the genuine boot agent.

import BoardHAL
import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import SerialLink
import ServiceAPI
import Synchronization
import Testing

@testable import BootAgent
@testable import HostBridge

/// A service that checks proofs, and answers what the test tells it to.
final class FakeProvisioningService: ProvisioningService {
  struct State {
    var offerFailure: ServiceFailure?
    var registrationFailure: ServiceFailure?
    var requests: [ProvisioningRequest] = []
    var registered: [String] = []
  }

  let authority = LeaseAuthority()
  private let state = Mutex(State())

  var now: State { state.withLock { $0 } }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func offer(
    _ request: ProvisioningRequest
  ) async throws(ServiceFailure) -> ProvisioningOffer {
    let failure = state.withLock { state in
      state.requests.append(request)
      return state.offerFailure
    }
    if let failure { throw failure }
    return ProvisioningLab.offer(authority)
  }

  func register(
    device: String, _ proof: DeviceIdentityProof
  ) async throws(ServiceFailure) -> RegisteredDevice {
    if let failure = now.registrationFailure { throw failure }
    let payload = [UInt8](proof.publicKey + proof.enc + proof.proof)
    guard
      let proven = try? authority.device(proving: payload, challenge: [UInt8](proof.challenge)),
      proven.text == device
    else { throw .status(422) }
    state.withLock { $0.registered.append(device) }
    return RegisteredDevice(deviceId: device, catalog: "bench")
  }
}

@Suite(.timeLimit(.minutes(5))) struct BoardProvisionerTests {
  private let address = BoardAddress.unix(path: "/fake")
  private let request = ProvisioningRequest(
    subscription: "s", resourceGroup: "g", catalog: "bench")

  private func line() -> FakeLine {
    let line = FakeLine()
    line.board { $0.hello.deviceID = DeviceID() }
    line.plugIn()
    return line
  }

  /// Its clock stands still: nothing here waits for time.
  private func provisioner(_ line: FakeLine) -> BoardProvisioner {
    BoardProvisioner(transport: line, clock: BridgeClock(ManualClock()))
  }

  private func failure(
    over line: FakeLine, _ change: (inout FakeProvisioningService.State) -> Void = { _ in }
  ) async -> HostBridgeError? {
    let service = FakeProvisioningService()
    service.set(change)
    do {
      _ = try await provisioner(line).provision(address, for: request, by: service)
      return nil
    } catch {
      return error as? HostBridgeError
    }
  }

  @Test func `a board is provisioned and registered, and again without harm`() async throws {
    let line = line()
    let service = FakeProvisioningService()
    let provisioner = provisioner(line)
    let first = try await provisioner.provision(address, for: request, by: service)
    let second = try await provisioner.provision(address, for: request, by: service)
    #expect(service.now.requests == [request, request])
    #expect(service.now.registered == [first.board.deviceID, first.board.deviceID])
    #expect(first.registered.catalog == "bench")
    #expect(!first.board.isOld && second.board.isOld)
    #expect(second.board.deviceID == first.board.deviceID)
  }

  @Test func `what is printed names the device and the next step`() async throws {
    let service = FakeProvisioningService()
    let (board, registered) = try await provisioner(line()).provision(
      address, for: request, by: service)
    let text = board.text(catalog: registered.catalog)
    #expect(text.contains("martlet device claim --device \(board.deviceID)"))
    #expect(text.contains("catalog bench"))
    let json = try JSONSerialization.jsonObject(with: Data(board.json.utf8)) as? [String: String]
    #expect(json?["deviceId"] == board.deviceID)
    let proof = try JSONDecoder().decode(DeviceIdentityProof.self, from: Data(board.json.utf8))
    #expect(proof == board.proof)
    #expect(board.text(catalog: nil).contains("martlet device claim --identity"))
  }

  @Test func `an unknown catalog is told, and the board left alone`() async {
    let line = line()
    let error = await failure(over: line) {
      $0.offerFailure = ServiceFailure(status: 404, code: "CatalogNotFound", message: "no catalog")
    }
    #expect(error?.message.contains("'bench'") == true)
    #expect(error?.remedy.contains("martlet catalog create") == true)
    #expect(line.board { $0.provisions.isEmpty })
  }

  @Test func `a service that is away or older is told apart`() async {
    #expect(
      await failure(over: line()) { $0.offerFailure = .unreachable }?.remedy.contains("--service")
        == true)
    let old = await failure(over: line()) {
      $0.offerFailure = ServiceFailure(status: 404, code: "RouteNotFound", message: "no route")
    }
    #expect(old?.message.contains("too old") == true)
  }

  @Test func `a registration that fails says that nothing is lost`() async {
    let away = await failure(over: line()) { $0.registrationFailure = .unreachable }
    #expect(away?.message.contains("the board has its identity") == true)
    let taken = await failure(over: line()) { $0.registrationFailure = .status(409) }
    #expect(taken?.remedy.contains("run this command again") == true)
    let doubted = await failure(over: line()) { $0.registrationFailure = .status(422) }
    #expect(doubted?.code == .identityDiffers)
  }

  @Test func `a line that closes is told`() async {
    let line = line()
    line.unplug()
    let error = await failure(over: line)
    #expect(error?.code == .lineFailed, "\(error?.description ?? "none")")
  }

  @Test func `keys of a wrong length do not reach the board`() async {
    let line = line()
    var offer = ProvisioningLab.offer(LeaseAuthority())
    offer.claimKey.removeLast()
    await #expect(throws: HostBridgeError.self) {
      try await provisioner(line).identify(address, by: offer)
    }
    #expect(line.board { $0.seen.isEmpty })
  }

  @Test func `the genuine boot agent gets its identity and its lease`() throws {
    let bench = try VirtualBench(isProvisioned: false)
    let host = ProvisioningHost(bench.link)
    bench.link.host = host
    bench.boot()
    host.connect()
    bench.runApplication { _ in host.outcome != nil }
    let identity = try #require(host.outcome).get()
    let device = try host.authority.device(
      proving: identity.payload, challenge: ProvisioningLab.challenge)
    #expect(identity.deviceID == device.text)

    // The next boot knows it, and takes leases of the catalog.
    bench.link.host = bench.bridge
    bench.bridge.connect()
    bench.boot()
    bench.runApplication { $0.bridge.leases.contains { $0.refusal == .accepted } }
    #expect(bench.bridge.leases.map(\.state) == [.allowed])
    #expect(bench.bridge.devices == [identity.deviceID])
  }

  @Test func `the genuine boot agent stays with its catalog`() throws {
    let bench = try VirtualBench()
    let host = ProvisioningHost(bench.link, authority: LeaseAuthority(seed: 99))
    bench.link.host = host
    bench.boot()
    host.connect()
    bench.runApplication { _ in host.outcome != nil }
    guard case .failure(let error) = host.outcome else {
      Issue.record("it took another catalog's key")
      return
    }
    #expect(error.code == .boardOfAnotherCatalog)
  }
}

/// The host's end of a virtual bench that provisions its board.
private final class ProvisioningHost: LinkHost {
  let authority: LeaseAuthority
  private let link: PacedLink
  private let conversation: ProvisioningConversation
  private(set) var outcome: Result<BoardIdentity, HostBridgeError>?

  init(_ link: PacedLink, authority: LeaseAuthority = LeaseAuthority()) {
    self.link = link
    self.authority = authority
    conversation = ProvisioningConversation(offer: ProvisioningLab.offer(authority))
  }

  func connect() {
    link.isConnected = true
    perform(conversation.connected(now: link.now))
  }

  var nextDeadline: Duration? { conversation.nextDeadline }
  func wake(at now: Duration) { perform(conversation.tick(now: now)) }
  func receive(_ bytes: [UInt8], at now: Duration) {
    perform(conversation.receive(bytes, now: now))
  }

  private func perform(_ actions: [ProvisioningConversation.Action]) {
    for action in actions {
      switch action {
      case .send(let bytes): link.send(bytes)
      case .provisioned(let identity): outcome = outcome ?? .success(identity)
      case .failed(let error): outcome = outcome ?? .failure(error)
      }
    }
  }
}
