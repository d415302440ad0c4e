// What the system says of the process itself.

import Foundation

/// What the system says of this process (proc(5)); `nil` where there is no /proc.
public enum ProcessUsage {
  public static var residentBytes: Double? {
    guard let fields = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = fields.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
    else { return nil }
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
  }

  public static var openDescriptors: Double? {
    // The listing itself has one open.
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map {
      Double($0.count - 1)
    }
  }
}
