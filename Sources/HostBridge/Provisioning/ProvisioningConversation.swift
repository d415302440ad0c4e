// Gives a board its identity: a state machine without a clock, a line or a service.

import Crypto
import DumpFormat
import Foundation
import LinkProtocol
import ServiceAPI

/// What a board said of itself when it was provisioned.
public struct BoardIdentity: Equatable, Sendable {
  /// 128 hex digits, made of the public key (docs/formats/link.md, Provisioning).
  public var deviceID: String
  public var proof: DeviceIdentityProof
  /// It had its identity before.
  public var isOld: Bool
}

/// Asks who is there, hands the service's offer over, takes the board's identity, and holds it against
/// what the board says of itself afterwards.
///
/// Feed it what happens; each call returns what to do, in order. Call ``tick(now:)`` when
/// ``nextDeadline`` has come.
final class ProvisioningConversation {
  enum Action: Equatable {
    /// Put these bytes on the line.
    case send([UInt8])
    /// The board has its identity, and says so.
    case provisioned(BoardIdentity)
    /// Nothing more will come of this board.
    case failed(HostBridgeError)
  }

  private enum Stage: Equatable {
    case searching
    case provisioning
    /// The board says once more who it is.
    case confirming(BoardIdentity)
    case ended
  }

  /// A board that is found is quick, but draws its key from its own entropy and writes it to flash.
  static let patience = PendingRequest.patience

  private let offer: ProvisioningOffer
  private let inbox = FrameInbox(largestFrame: FrameLimit.largest)
  private var requests = RequestTable()
  private var stage = Stage.searching
  private var hadIdentity = false

  init(offer: ProvisioningOffer) { self.offer = offer }

  // MARK: - What happens

  func connected(now: Duration) -> [Action] { [ask(.who, now: now)] }

  func receive(_ bytes: [UInt8], now: Duration) -> [Action] {
    var actions: [Action] = []
    for byte in bytes {
      guard case .frame(let frame) = inbox.receive(byte) else { continue }
      actions += receive(frame, now: now)
    }
    return actions
  }

  func tick(now: Duration) -> [Action] {
    guard stage != .ended else { return [] }
    return requests.overdue(now: now).flatMap { sequence -> [Action] in
      guard let request = requests.pending[sequence] else { return [] }
      guard now - request.firstSent < Self.patience else {
        return end(.failed(request.type == .who ? .boardSilent : .boardDoesNotAnswer))
      }
      requests.markRepeated(sequence, now: now)
      return [.send(request.frame)]
    }
  }

  var nextDeadline: Duration? { stage == .ended ? nil : requests.nextDeadline }

  // MARK: - Answers

  private func receive(_ frame: Frame, now: Duration) -> [Action] {
    do throws(LinkError) {
      switch (FrameType(rawValue: frame.type), stage) {
      case (.hello, .searching):
        // Also one that it says by itself.
        requests.removeAll()
        return provision(try Hello(decoding: frame.payload), now: now)
      case (.hello, .confirming(let identity)):
        guard requests.take(frame.sequence, .who) != nil else { return [] }
        return confirm(identity, try Hello(decoding: frame.payload))
      case (.identity, .provisioning):
        guard requests.take(frame.sequence, .provision) != nil else { return [] }
        return take(try Identity(decoding: frame.payload), now: now)
      case (.refused, .provisioning):
        let refused = try Refused(decoding: frame.payload)
        guard requests.take(frame.sequence, .provision) != nil else { return [] }
        return end(.failed(.refusal(refused.code)))
      default: return []
      }
    } catch {
      return end(.failed(.unreadable(frame.type, error)))
    }
  }

  private func provision(_ hello: Hello, now: Duration) -> [Action] {
    guard hello.lowestVersion...hello.highestVersion ~= linkProtocolVersion else {
      return end(.failed(.otherProtocol))
    }
    hadIdentity = hello.deviceID != DeviceID()
    stage = .provisioning
    let offer = offer
    return [
      ask(.provision, now: now) { frame in
        for part in [offer.signingKey, offer.claimKey, offer.challenge] {
          part.withUnsafeBytes { frame.append($0) }
        }
      }
    ]
  }

  private func take(_ identity: Identity, now: Duration) -> [Action] {
    let proof = DeviceIdentityProof(
      challenge: offer.challenge, publicKey: Data(identity.publicKey), enc: Data(identity.enc),
      proof: Data(identity.proof))
    let board = BoardIdentity(
      deviceID: Self.deviceID(of: proof.publicKey), proof: proof, isOld: hadIdentity)
    stage = .confirming(board)
    return [ask(.who, now: now)]
  }

  private func confirm(_ identity: BoardIdentity, _ hello: Hello) -> [Action] {
    guard hello.deviceID.text == identity.deviceID else {
      return end(.failed(.identityDiffers(says: hello.deviceID.text, is: identity.deviceID)))
    }
    // A boot agent need not wait for a host that has nothing more to say.
    let go = hostFrame(.go, sequence: requests.nextSequence())
    return (hello.phase == .agent ? [.send(go)] : []) + end(.provisioned(identity))
  }

  // MARK: - Ends

  private func end(_ action: Action) -> [Action] {
    stage = .ended
    requests.removeAll()
    return [action]
  }

  /// Sends a request that is repeated until it is answered.
  private func ask(
    _ type: FrameType, now: Duration, payload: (inout FrameWriter) -> Void = { _ in }
  ) -> Action {
    let sequence = requests.nextSequence()
    let frame = hostFrame(type, sequence: sequence, payload: payload)
    requests.add(
      PendingRequest(
        type: type, frame: frame,
        wait: type == .who ? FetchTimer.firstWait : PendingRequest.thinkingTime, now: now),
      sequence: sequence)
    return .send(frame)
  }

  /// HKDF-SHA256 (RFC 5869) of the public key, 128 hex digits.
  static func deviceID(of publicKey: Data) -> String {
    HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: publicKey), salt: Data("martlet device id".utf8),
      info: Data(), outputByteCount: DeviceID.count
    ).withUnsafeBytes { [UInt8]($0).hexDigits }
  }
}
