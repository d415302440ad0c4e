// A board gets its identity: the conversation with it, alone and over bad lines.

import DumpFormat
import Foundation
import LinkProtocol
import MartletTestKit
import ServiceAPI
import Testing

@testable import HostBridge

@Suite struct ProvisioningTests {
  @Test func `a new board gets an identity that the service can check`() throws {
    let lab = ProvisioningLab()
    let identity = try lab.provisioned()
    let device = try lab.authority.device(
      proving: identity.payload, challenge: ProvisioningLab.challenge)
    #expect(identity.deviceID == device.text)
    #expect(!identity.isOld)
    #expect(lab.board.hello.deviceID.text == device.text)
    // Its application need not wait for more.
    #expect(lab.board.started == .hostSaidGo)
  }

  @Test func `a board that has its identity proves it anew and keeps it`() throws {
    let first = ProvisioningLab()
    let old = try first.provisioned()
    let again = ProvisioningLab(board: first.board)
    let new = try again.provisioned()
    #expect(new.deviceID == old.deviceID)
    #expect(new.proof.proof != old.proof.proof)
    #expect(new.isOld)
  }

  @Test(arguments: [
    (RefusalCode.unknownType, HostBridgeError.Code.boardOutdated, "too old"),
    (.otherService, .boardOfAnotherCatalog, "erase its flash"),
    (.flashFailed, .boardFailed, "flash"), (.malformed, .boardFailed, "service's keys"),
  ])
  func `each refusal of the board has its words`(
    refusal: RefusalCode, code: HostBridgeError.Code, words: String
  ) {
    let lab = ProvisioningLab()
    lab.board.refusesProvision = refusal
    let error = lab.failure()
    #expect(error?.code == code)
    #expect(error?.description.contains(words) == true)
  }

  @Test func `no answer is said after a while`() {
    let lab = ProvisioningLab()
    lab.board.isDeaf = true
    #expect(lab.failure()?.code == .boardSilent)
    #expect(lab.now >= ProvisioningConversation.patience)
    #expect(lab.board.provisions.isEmpty)
  }

  @Test func `a board that goes deaf in the middle is told apart from none`() {
    let lab = ProvisioningLab()
    lab.board.onSeen = { board, type in if type == .who { board.isDeaf = true } }
    let error = lab.failure()
    #expect(error?.code == .boardSilent)
    #expect(error?.message.contains("PROVISION") == true)
  }

  @Test func `a board that says another id than its key's is not believed`() {
    let lab = ProvisioningLab()
    lab.board.onSeen = { board, type in
      if type == .provision { board.identity = SoftwareDevice(seed: 1) }
      if type == .who { board.hello.deviceID.bytes[0] ^= 1 }
    }
    #expect(lab.failure()?.code == .identityDiffers)
  }

  @Test func `a board of another protocol version is told so`() {
    let lab = ProvisioningLab()
    lab.board.hello.lowestVersion = 2
    lab.board.hello.highestVersion = 3
    #expect(lab.failure()?.code == .boardOutdated)
  }

  @Test func `an answer that is too short is an error and no crash`() {
    let lab = ProvisioningLab()
    lab.board.cutsIdentity = true
    #expect(lab.failure()?.code == .boardFailed)
  }

  @Test func `a bad line costs time and nothing else`() throws {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<20 {
      let lab = ProvisioningLab(faults: .everything(rate: 0.02), seed: generator.next())
      let identity = try lab.provisioned()
      #expect(
        throws: Never.self, "seed \(generator.seed)",
        performing: {
          try lab.authority.device(
            proving: identity.payload, challenge: ProvisioningLab.challenge)
        })
    }
  }

  @Test func `whatever arrives is survived`() {
    var generator = SeededGenerator.fromEnvironment()
    for _ in 0..<200 {
      let conversation = ProvisioningConversation(offer: ProvisioningLab.offer(LeaseAuthority()))
      _ = conversation.connected(now: .zero)
      for _ in 0..<20 {
        _ = conversation.receive(
          generator.bytes(Int.random(in: 0...300, using: &generator)), now: .zero)
      }
      for type in [FrameType.hello, .identity, .refused] {
        let noise = generator.bytes(Int.random(in: 0...140, using: &generator))
        let frame = hostFrame(type, sequence: 1) { writer in
          noise.withUnsafeBytes { writer.append($0) }
        }
        _ = conversation.receive(frame, now: .zero)
      }
    }
  }
}

/// The conversation, a scripted board and the line between them, in steps of a millisecond.
final class ProvisioningLab {
  static let challenge = [UInt8](40..<56)

  static func offer(_ authority: LeaseAuthority) -> ProvisioningOffer {
    ProvisioningOffer(
      signingKey: Data(authority.signingKeyBytes),
      claimKey: authority.claimKey.publicKey.rawRepresentation, challenge: Data(challenge))
  }

  let authority = LeaseAuthority()
  let board: FakeBoard
  private(set) var now = Duration.zero
  private let conversation: ProvisioningConversation
  private var toBoard: FaultyLink
  private var toHost: FaultyLink
  private var outcome: Result<BoardIdentity, HostBridgeError>?

  init(board: FakeBoard? = nil, faults: FaultyLink.Faults = .init(), seed: UInt64 = 1) {
    self.board = board ?? FakeBoard()
    if board == nil { self.board.hello.deviceID = DeviceID() }
    var generator = SeededGenerator(seed: seed)
    toBoard = FaultyLink(faults: faults, generator: generator.split())
    toHost = FaultyLink(faults: faults, generator: generator.split())
    conversation = ProvisioningConversation(offer: Self.offer(authority))
  }

  func provisioned() throws -> BoardIdentity {
    run()
    return try #require(outcome).get()
  }

  func failure() -> HostBridgeError? {
    run()
    guard case .failure(let error) = outcome else { return nil }
    return error
  }

  private func run() {
    perform(conversation.connected(now: now))
    while outcome == nil, now < .seconds(120) { step() }
    // What was said last still arrives.
    for _ in 0..<10 { step() }
  }

  private func step() {
    now += .milliseconds(1)
    toBoard.advance()
    toHost.advance()
    board.receive(toBoard.receive())
    if let said = board.step() { toHost.send(said) }
    let arrived = toHost.receive()
    if !arrived.isEmpty { perform(conversation.receive(arrived, now: now)) }
    if let due = conversation.nextDeadline, due <= now { perform(conversation.tick(now: now)) }
  }

  private func perform(_ actions: [ProvisioningConversation.Action]) {
    for action in actions {
      switch action {
      case .send(let bytes): toBoard.send(bytes)
      case .provisioned(let identity): outcome = outcome ?? .success(identity)
      case .failed(let error): outcome = outcome ?? .failure(error)
      }
    }
  }
}

extension BoardIdentity {
  /// What the board answered in IDENTITY.
  var payload: [UInt8] { [UInt8](proof.publicKey + proof.enc + proof.proof) }
}
