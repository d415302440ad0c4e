// Which bridge this is.

/// The version that `--version`, status and metrics tell.
public enum BridgeVersion {
  public static let current = "0.4.0"
}
