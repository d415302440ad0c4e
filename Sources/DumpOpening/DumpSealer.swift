// Seals dumps on a host as a device does: for tests and tools that stand in for one.

import Crypto
import DumpFormat
import Foundation

/// One key exchange of a device, for dumps under one consent.
public struct DumpSealer: Sendable {
  /// The ephemeral public key that goes into every envelope, 32 bytes.
  public let encapsulatedKey: [UInt8]
  public let consentEpoch: UInt32
  public let sealingKeyID: UInt32
  private let sender: HPKE.Sender

  /// Exchanges keys, as a device does when it accepts a lease.
  /// - Parameters:
  ///   - devicePrivateKey: the device's own.
  ///   - device: its id, 64 bytes; the one that follows from its key unless told otherwise.
  ///   - sealingKey: the lease's.
  ///   - consentEpoch: the lease's.
  /// - Throws: ``DumpOpeningError/unusableKey`` for a sealing key of small order.
  public init(
    devicePrivateKey: Curve25519.KeyAgreement.PrivateKey, device: [UInt8]? = nil,
    sealingKey: Curve25519.KeyAgreement.PublicKey, sealingKeyID: UInt32, consentEpoch: UInt32
  ) throws(DumpOpeningError) {
    guard devicePrivateKey.canAgree(with: sealingKey) else { throw .unusableKey }
    let device = device ?? DeviceIdentity.id(of: devicePrivateKey.publicKey)
    do {
      sender = try HPKE.Sender(
        recipientKey: sealingKey, ciphersuite: SealingContext.suite,
        info: SealingContext.leaseInfo(
          device: device, consentEpoch: consentEpoch, sealingKeyID: sealingKeyID),
        authenticatedBy: devicePrivateKey)
    } catch {
      throw .unusableKey
    }
    encapsulatedKey = Array(sender.encapsulatedKey)
    self.sealingKeyID = sealingKeyID
    self.consentEpoch = consentEpoch
  }

  /// Seals a dump.
  /// - Parameters:
  ///   - dump: a whole dump in the clear (encoding 0). Its consent epoch becomes that of the exchange.
  ///   - salt: 16 bytes; random unless told otherwise.
  /// - Throws: ``DumpOpeningError/notADump(_:)``.
  public func seal(_ dump: [UInt8], salt: [UInt8]? = nil) throws(DumpOpeningError) -> [UInt8] {
    let prologue: DumpPrologue
    do {
      prologue = try dump.withUnsafeBytes { try DumpPrologue(verifyingDump: $0) }
    } catch {
      throw .notADump(error as? DumpFormatError ?? .notADump)
    }
    let salt =
      salt
      ?? SymmetricKey(size: .init(bitCount: 8 * SealedLayout.saltSize))
      .withUnsafeBytes { Array($0) }
    var header = prologue.header
    header.encoding = .sealed
    header.consentEpoch = consentEpoch
    var body = envelope(salt: salt)
    do {
      let key = try sender.exportSecret(
        context: SealingContext.dumpKeyContext(salt: salt),
        outputByteCount: SealingContext.keySize)
      body += try chunks(
        of: dump[DumpPrologue.size...], header: header.bytes,
        isTruncated: prologue.commit.isTruncated, key)
    } catch {
      throw .unusableKey
    }
    let commit = DumpCommit(
      bodyLength: UInt32(body.count), bodyCRC: body.withUnsafeBytes { CRC32C.checksum($0) },
      isTruncated: prologue.commit.isTruncated)
    return DumpPrologue(header: header, commit: commit).bytes + body
  }

  private func envelope(salt: [UInt8]) -> [UInt8] {
    [SealedLayout.magic, sealingKeyID].flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
      + [UInt8](repeating: 0, count: SealedLayout.salt - 8) + salt + encapsulatedKey
  }

  private func chunks(
    of blocks: ArraySlice<UInt8>, header: [UInt8], isTruncated: Bool, _ key: SymmetricKey
  ) throws -> [UInt8] {
    var sealed: [UInt8] = []
    var rest = blocks
    var index = 0
    repeat {
      let chunk = rest.prefix(SealedLayout.size(ofChunk: index) - SealedLayout.tag)
      rest = rest.dropFirst(chunk.count)
      let nonce = SealingContext.nonce(
        chunk: index, isLast: rest.isEmpty, isTruncated: rest.isEmpty && isTruncated)
      let box = try ChaChaPoly.seal(
        chunk, using: key, nonce: ChaChaPoly.Nonce(data: nonce),
        authenticating: index == 0 ? header : [])
      sealed += box.ciphertext + box.tag
      index += 1
    } while !rest.isEmpty
    return sealed
  }
}

extension DumpHeader {
  /// The 96 bytes.
  fileprivate var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    bytes.withUnsafeMutableBytes { raw in
      if let base = raw.baseAddress { encode(to: base) }
    }
    return bytes
  }
}
