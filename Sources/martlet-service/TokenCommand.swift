// `martlet-service token`: who may log in with what.

import ArgumentParser
import CrashService
import Foundation

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Makes, lists and revokes the tokens that callers log in with.",
    discussion: """
      Works while the service runs: a new token is good, and a revoked one is not, within a second. \
      The service keeps no token, only what tells that one is right.

      Roles:
        reader         sees catalogs, products, groups, devices, counts and lists of dumps
        contributor    reader; makes, changes and deletes them, claims and moves devices
        administrator  contributor; gives and takes consent, decides where dumps are kept
        investigator   reader; fetches what is in a dump
        auditor        reader; reads the audit log
        bridge         delivers for devices: leases, offers, dumps, counts

      Examples:
        martlet-service token create --data ./service-data --role administrator > admin.token
        martlet-service token create --data ./service-data --role bridge --catalog plant --expires 90
        martlet-service token list --data ./service-data
        martlet-service token revoke --data ./service-data 0f3c9a52d1e8b764
      """,
    subcommands: [Create.self, List.self, Revoke.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a token and prints it, once.",
      discussion: """
        The token is all that is printed on standard output, so that it can go into a file: run \
        umask 077 before.
        """)

    @OptionGroup var dataOptions: DataOptions

    @Option(
      help: ArgumentHelp(
        "What its holder is; repeat it for more than one. One of: "
          + Role.allCases.map(\.rawValue).joined(separator: ", ") + "."))
    var role: [Role]

    @OptionGroup var grantOptions: GrantOptions

    @Option(help: ArgumentHelp("In how many days it expires. (default: never)", valueName: "days"))
    var expires: Int?

    @Option(help: "What it is for, in a few words, for the list.")
    var label = ""

    func validate() throws {
      guard !role.isEmpty else { throw ValidationError("--role is missing.") }
      if let expires, !(1...36_500).contains(expires) {
        throw ValidationError("--expires takes days from 1 to 36500.")
      }
    }

    func run() async throws {
      let token = AccessToken()
      let now = Date()
      try await withAccess(dataOptions) { store in
        try await store.insert(
          Credential(
            token, label: label, roles: Set(role), catalogs: grantOptions.grant, createdAt: now,
            expiresAt: expires.map { now + TimeInterval($0) * 86_400 }))
      }
      print(token.text)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists tokens, the oldest first; no token is among what is shown.")

    @OptionGroup var dataOptions: DataOptions

    func run() async throws {
      try await withAccess(dataOptions) { try await printCredentials(.token, of: $0) }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a token's power for good.")

    @OptionGroup var dataOptions: DataOptions

    @Argument(help: "The token's id, as the list shows it; the token itself is taken as well.")
    var id: String

    func run() async throws {
      try await withAccess(dataOptions) { store in
        try await revoke(.token, AccessToken(id)?.id ?? id, of: store)
      }
    }
  }
}

/// Shows credentials as a table.
func printCredentials(_ kind: Credential.Kind, of store: AccessStore) async throws {
  let now = Date()
  let rows = try await store.all().filter { $0.kind == kind }.map { credential in
    [
      credential.id, credential.state(at: now),
      credential.roles.map(\.rawValue).sorted().joined(separator: ","),
      credential.catalogNames, credential.createdAt.day,
      credential.expiresAt?.day ?? "never", credential.label,
    ]
  }
  let titles = ["id", "state", "roles", "catalogs", "made", "expires", "label"]
  let widths = titles.indices.map { column in
    ([titles] + rows).map { $0[column].count }.max() ?? 0
  }
  for row in [titles] + rows {
    let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
    print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
  }
}

/// Revokes a credential, or says that there is none.
func revoke(_ kind: Credential.Kind, _ id: String, of store: AccessStore) async throws {
  guard try await store.revoke(kind, id, at: Date()) else {
    throw ValidationError("There is no \(kind.rawValue) '\(id)'; the list shows those that are.")
  }
}

extension Credential {
  fileprivate func state(at time: Date) -> String {
    revokedAt != nil ? "revoked" : isValid(at: time) ? "valid" : "expired"
  }

  fileprivate var catalogNames: String {
    switch catalogs {
    case .all: "all"
    case .only(let catalogs):
      catalogs.map { "\($0.scope.resourceGroup)/\($0.name)" }.joined(separator: ",")
    }
  }
}

extension Date {
  /// `2026-11-23`, in UTC.
  fileprivate var day: String { formatted(.iso8601.year().month().day()) }
}
