// The search for the one ELF file that can explain a dump.

import DumpFormat
import Foundation

/// Finds ELF files by their build-id among files and folders.
public struct SymbolFinder: Sendable {
  /// Folders below a named folder that are entered.
  public static let deepest = 3
  /// Larger files are no firmware and are not opened.
  public static let largestFile = 256 << 20

  public let paths: [URL]

  /// - Parameter paths: ELF files, and folders that hold some.
  public init(paths: [URL]) { self.paths = paths }

  /// The ELF file of a dump's image.
  /// - Throws: what ``elf(buildID:)-(BuildID)`` throws.
  public func elf(for dump: DecodedDump) throws(DumpAnalysisError) -> ELFImage {
    try elf(buildID: dump.header.buildID)
  }

  /// The ELF file with a build-id of 40 hexadecimal digits.
  /// - Throws: what ``elf(buildID:)-(BuildID)`` throws, and `noBuildID` for anything else.
  public func elf(buildID: String) throws(DumpAnalysisError) -> ELFImage {
    guard let id = BuildID(hexDigits: buildID) else {
      throw DumpAnalysisError(
        code: .noBuildID, message: "\"\(buildID)\" is not a build-id",
        remedy: "Give \(BuildID.count * 2) hexadecimal digits, as `readelf -n` prints them")
    }
    return try elf(buildID: id)
  }

  /// The ELF file with a build-id.
  /// - Throws: `noBuildID` when the id is one of zeros; `wrongELF` when the only place searched is
  ///   a file with another id; `elfNotFound` with the ids that were seen; what reading a file that
  ///   was named throws.
  public func elf(buildID: BuildID) throws(DumpAnalysisError) -> ELFImage {
    guard !buildID.isMissing else {
      throw DumpAnalysisError(
        code: .noBuildID, message: "The dump was taken by an image without a build-id",
        remedy: "Link the firmware with --build-id=sha1 and keep .note.gnu.build-id in the image")
    }
    var seen: [(path: String, id: String)] = []
    for path in paths {
      guard Self.isFolder(path) else {
        let image = try ELFImage(contentsOf: path)
        if image.buildID == buildID { return image }
        if paths.count == 1 { try image.requireBuildID(buildID) }
        seen.append((path.path, image.buildID?.hexDigits ?? "no build-id"))
        continue
      }
      for file in Self.candidates(in: path) {
        // A damaged file among many is no reason to stop looking.
        guard let image = try? ELFImage(contentsOf: file) else { continue }
        if image.buildID == buildID { return image }
        seen.append((file.path, image.buildID?.hexDigits ?? "no build-id"))
      }
    }
    throw notFound(buildID, seen)
  }

  private func notFound(_ buildID: BuildID, _ seen: [(path: String, id: String)])
    -> DumpAnalysisError
  {
    let places = paths.map(\.path).joined(separator: ", ")
    var message = "No ELF file with build-id \(buildID.hexDigits) is in "
    message += paths.isEmpty ? "no place: none was named" : places
    if !seen.isEmpty {
      message += "; seen: " + seen.prefix(8).map { "\($0.id) (\($0.path))" }.joined(separator: ", ")
      if seen.count > 8 { message += " and \(seen.count - 8) more" }
    }
    return DumpAnalysisError(
      code: .elfNotFound, message: message,
      remedy: "Name the ELF file of the very build that crashed, or the folder that holds it")
  }

  private static func isFolder(_ url: URL) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  /// Files below `folder` that begin as an ELF file for ARM does, in the order of their names.
  private static func candidates(in folder: URL) -> [URL] {
    var found: [URL] = []
    var folders = [(url: folder, depth: 0)]
    while let (url, depth) = folders.popLast() {
      let keys: [URLResourceKey] = [.isDirectoryKey, .isRegularFileKey, .fileSizeKey]
      let entries =
        (try? FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: keys))
        ?? []
      for entry in entries.sorted(by: { $0.path < $1.path }) {
        guard let values = try? entry.resourceValues(forKeys: Set(keys)) else { continue }
        if values.isDirectory == true {
          if depth < deepest { folders.append((entry, depth + 1)) }
        } else if values.isRegularFile == true, (values.fileSize ?? 0) <= largestFile,
          beginsAsELF(entry)
        {
          found.append(entry)
        }
      }
    }
    return found
  }

  private static func beginsAsELF(_ url: URL) -> Bool {
    guard let file = try? FileHandle(forReadingFrom: url) else { return false }
    defer { try? file.close() }
    guard let head = try? file.read(upToCount: 20) else { return false }
    return ELFImage.isELF([UInt8](head)[...])
  }
}

extension BuildID {
  /// Reads 40 hexadecimal digits; `nil` for anything else.
  public init?(hexDigits: String) {
    guard let digits = [UInt8](hexDigits: hexDigits), digits.count == Self.count else { return nil }
    self.init()
    for (index, byte) in digits.enumerated() { bytes[index] = byte }
  }
}
