// Where the master key comes from, and how it is made when nobody gave one.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A master key and where it was found, for the log.
public struct FoundMasterKey: Sendable {
  public var key: MasterKey
  /// Such as `the file /etc/martlet/master.key`.
  public var place: String
  /// Made just now, because there was none.
  public var isNew: Bool
}

/// Finds the master key of a service.
public struct MasterKeySource: Sendable {
  /// The environment variable that may hold the key.
  public static let variable = "MARTLET_MASTER_KEY"

  private let file: URL?
  private let environment: [String: String]
  private let dataFolder: URL

  /// - Parameters:
  ///   - file: holds the key in base64; goes before the environment.
  ///   - environment: the process's own, unless a test brings one.
  ///   - dataFolder: the key is never read from, or written into, this folder.
  public init(
    file: URL?, environment: [String: String] = ProcessInfo.processInfo.environment,
    dataFolder: URL
  ) {
    self.file = file
    self.environment = environment
    self.dataFolder = dataFolder
  }

  /// The file that is used, and made, when neither a file nor the variable is given:
  /// `${XDG_CONFIG_HOME:-~/.config}/martlet/service-master.key`.
  public var standardFile: URL {
    // The XDG base directory specification wants relative paths ignored.
    let folder =
      environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0) : nil }
      ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".config")
    return folder.appending(path: "martlet/service-master.key")
  }

  public func find() throws(ServiceStartFailure) -> FoundMasterKey {
    if let file {
      return FoundMasterKey(key: try read(file), place: "the file \(file.path)", isNew: false)
    }
    if let text = environment[Self.variable], !text.isEmpty {
      guard let key = MasterKey(base64: text) else {
        throw .masterKey(
          "The variable \(Self.variable) holds no master key: that is 32 bytes in base64")
      }
      return FoundMasterKey(key: key, place: "the variable \(Self.variable)", isNew: false)
    }
    let file = standardFile
    let isNew = try make(file)
    return FoundMasterKey(key: try read(file), place: "the file \(file.path)", isNew: isNew)
  }

  private func read(_ file: URL) throws(ServiceStartFailure) -> MasterKey {
    try refuseInsideData(file)
    var status = stat()
    guard stat(file.path, &status) == 0 else {
      throw .masterKey("The master key file \(file.path) cannot be read: \(reason(errno))")
    }
    guard status.st_mode & 0o007 == 0 else {
      throw ServiceStartFailure(
        code: .masterKeyNotUsable,
        message: "Every user of this machine can read or change the master key file \(file.path)",
        remedy: "Take that away with chmod 600 \(file.path); when others may have read it, their "
          + "copy opens every dump in the data folder")
    }
    guard let text = try? String(contentsOf: file, encoding: .utf8),
      let key = MasterKey(base64: text)
    else {
      throw .masterKey(
        "The file \(file.path) cannot be read or holds no master key: that is 32 bytes in base64")
    }
    return key
  }

  /// Makes the file with a new key, whole or not at all.
  /// - Returns: false when it was there already.
  private func make(_ file: URL) throws(ServiceStartFailure) -> Bool {
    try refuseInsideData(file)
    guard !FileManager.default.fileExists(atPath: file.path) else { return false }
    let folder = file.deletingLastPathComponent()
    // An unfinished file is never seen under the name; of two who make it one wins.
    let draft = folder.appending(path: ".service-master.key-\(UUID().uuidString)")
    defer { unlink(draft.path) }
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw cannotMake(file, error.localizedDescription)
    }
    let descriptor = open(draft.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw cannotMake(file, reason(errno)) }
    let bytes = Array("\(MasterKey().base64)\n".utf8)
    let written = write(descriptor, bytes, bytes.count)
    let isWhole = written == bytes.count && fsync(descriptor) == 0
    let failure = errno
    close(descriptor)
    guard isWhole else { throw cannotMake(file, reason(failure)) }
    if link(draft.path, file.path) != 0 {
      guard errno == EEXIST else { throw cannotMake(file, reason(errno)) }
      return false
    }
    // The dumps of today need it after a power cut as well.
    let directory = open(folder.path, O_RDONLY | O_CLOEXEC)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
    return true
  }

  /// A copy of the data folder must not bring the key with it.
  private func refuseInsideData(_ file: URL) throws(ServiceStartFailure) {
    let folder = dataFolder.resolvingSymlinksInPath().standardizedFileURL.pathComponents
    let path = file.resolvingSymlinksInPath().standardizedFileURL.pathComponents
    guard !path.starts(with: folder) else {
      throw ServiceStartFailure(
        code: .masterKeyNotUsable,
        message: "The master key file \(file.path) lies in the data folder \(dataFolder.path): "
          + "whoever copies the folder could read every dump",
        remedy: "Move the file to another place and name that with --master-key-file")
    }
  }

  private func cannotMake(_ file: URL, _ reason: String) -> ServiceStartFailure {
    .masterKey("There is no master key, and \(file.path) cannot be made: \(reason)")
  }

  private func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

extension ServiceStartFailure {
  fileprivate static func masterKey(_ message: String) -> ServiceStartFailure {
    ServiceStartFailure(
      code: .masterKeyNotUsable, message: message,
      remedy: "Make one with martlet-service new-master-key > FILE and name it with "
        + "--master-key-file, or set \(MasterKeySource.variable). Data that was stored under "
        + "another key stays closed")
  }
}
