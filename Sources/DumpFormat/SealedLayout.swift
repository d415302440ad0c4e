// Where things lie in a sealed body (docs/formats/dump.md, Encoding 1).

/// The layout of a sealed body: an envelope, then chunks of ciphertext and tag.
public enum SealedLayout {
  /// Bytes of the envelope.
  public static let envelope = 64
  /// Bytes of a full chunk, tag included; the first is shorter by the envelope.
  public static let chunk = 1024
  /// Bytes of a chunk's tag.
  public static let tag = 16
  /// "MSE1", little endian: the envelope's first word.
  public static let magic: UInt32 = 0x3145_534D

  // Bytes from the envelope's start.
  public static let sealingKeyID = 4
  public static let salt = 16
  public static let saltSize = 16
  public static let enc = 32
  public static let encSize = 32

  /// What a dump's key is exported for, in front of its salt.
  public static let keyContext: StaticString = "martlet dump key"
  /// What the key exchange is bound to, in front of device id, epoch and sealing key id.
  public static let exchangeInfo: StaticString = "martlet lease"
}
