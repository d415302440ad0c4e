// Who calls the service on the bench.

import Foundation
import ServiceAPI

@testable import CrashService

/// Somebody who sends requests.
enum BenchCaller: Hashable {
  /// With a token of these roles, in these catalogs; in all without a list.
  case roles(Set<Role>, in: [CatalogReference]?)
  /// With this token, whoever made it.
  case token(String)
  case nobody

  /// Every role in every catalog.
  static let everything = roles(Set(Role.allCases), in: nil)
}

extension ServiceBench {
  /// The same service, called by somebody with these roles alone.
  /// - Parameter catalogs: `nil` for all.
  func calling(as roles: Role..., in catalogs: [CatalogReference]? = nil) -> ServiceBench {
    calling(as: .roles(Set(roles), in: catalogs))
  }

  func calling(as caller: BenchCaller) -> ServiceBench {
    var bench = self
    bench.caller = caller
    return bench
  }
}

/// Makes the callers' tokens when they are needed first.
actor BenchCallers {
  let store: AccessStore
  private let clock: TestClock
  private var tokens: [BenchCaller: String] = [:]

  init(store: AccessStore, clock: TestClock) {
    self.store = store
    self.clock = clock
  }

  func token(of caller: BenchCaller) async throws -> String? {
    switch caller {
    case .nobody: return nil
    case .token(let text): return text
    case .roles(let roles, let catalogs):
      if let text = tokens[caller] { return text }
      let token = AccessToken()
      try await store.insert(
        Credential(
          token, roles: roles, catalogs: catalogs.map(CatalogGrant.only) ?? .all,
          createdAt: clock.now))
      tokens[caller] = token.text
      return token.text
    }
  }
}
