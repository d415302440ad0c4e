// What working with keys leaves on the stack beside them, and how it goes away.

import CBearSSL

/// The copies of keys that a caller's own functions left on the stack: values that Swift moved.
public enum KeyTraces {
  /// Erases the stack below the caller, as deep as an exchange of keys with its callers takes: 3 KiB,
  /// which have to be free there. Contexts: boot, app.
  public static func erase() { martlet_erase_exchange() }
}
