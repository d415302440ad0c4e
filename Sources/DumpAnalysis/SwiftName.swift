// Mangled Swift names made readable.

import Foundation

/// The names of Swift functions, as people know them.
public enum SwiftName {
  private typealias Demangle =
    @convention(c) (
      UnsafePointer<CChar>?, UInt, UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<UInt>?, UInt32
    ) -> UnsafeMutablePointer<CChar>?

  /// The runtime's own demangler, the one that backtraces of Swift programs use. It is exported by
  /// the standard library's binary but has no declaration in a module.
  private static let demangle: Demangle? = dlsym(nil, "swift_demangle").map {
    unsafeBitCast($0, to: Demangle.self)
  }

  /// `Demo.divide(_: Int, by: Int) -> Int` for a mangled name, and any other name as it is.
  public static func readable(_ name: String) -> String {
    guard name.hasPrefix("$s") || name.hasPrefix("$e") || name.hasPrefix("$S"), let demangle else {
      return name
    }
    let result = name.withCString { demangle($0, UInt(name.utf8.count), nil, nil, 0) }
    guard let result else { return name }
    defer { free(result) }
    return String(cString: result)
  }
}
