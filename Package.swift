// swift-tools-version: 6.2
// Martlet: crash capture for microcontrollers, the bridge on the bench and the crash service, in one package.

import PackageDescription

/// Which world this manifest describes.
///
/// - `MARTLET_BOARD=<folder below boards>`: the firmware for that board and nothing else, so that
///   no host dependency is resolved or built for bare metal; `MARTLET_BOARD=external`: the device
///   modules alone, for a package that brings a board and an application of its own.
/// - `MARTLET_FUZZ=1`: the fuzz targets, which want instrumentation and a linker of their own.
/// - neither: the bridge, the service, the tools and every test.
let board = Context.environment["MARTLET_BOARD"]
let fuzzing = Context.environment["MARTLET_FUZZ"] != nil
let hosted = board == nil && !fuzzing

/// Set in CI: a warning stops the build.
let strict = Context.environment["MARTLET_STRICT"] != nil
let swiftSettings: [SwiftSetting] =
  [.swiftLanguageMode(.v6)] + (strict ? [.treatAllWarnings(as: .error)] : [])
  + (fuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address"])] : [])
let cSettings: [CSetting] = strict ? [.treatAllWarnings(as: .error)] : []

// MARK: - Compiled for both worlds

/// A Swift module below `Sources`.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// A command-line program below `Sources`.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// A test target below `Tests`; files that tests read are copied as they are.
func tests(
  _ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

/// What DumpSealing links of BearSSL, whose sources scripts/bearssl puts there.
let bearSSLSources = [
  "codec/ccopy.c", "codec/dec32be.c", "codec/enc32be.c", "ec/ec_c25519_m31.c", "ec/ec_p256_m31.c",
  "ec/ec_secp256r1.c", "ec/ec_secp384r1.c", "ec/ec_secp521r1.c", "ec/ecdsa_i31_bits.c",
  "ec/ecdsa_i31_vrfy_raw.c", "hash/sha2small.c", "int/i31_add.c", "int/i31_bitlen.c",
  "int/i31_decmod.c", "int/i31_decode.c", "int/i31_encode.c", "int/i31_fmont.c",
  "int/i31_iszero.c", "int/i31_modpow.c", "int/i31_montmul.c", "int/i31_muladd.c",
  "int/i31_ninv31.c", "int/i31_rshift.c", "int/i31_sub.c", "int/i31_tmont.c", "int/i32_div32.c",
  "mac/hmac.c", "symcipher/chacha20_ct.c", "symcipher/poly1305_ctmul.c",
]

/// For hosts alone: firmware has no use for their processors.
let hostShims: [Target] =
  board == nil
  ? [.target(name: "CHostCRC", path: "CShims/CHostCRC", cSettings: cSettings)] : []

let deviceModules: [Target] = [
  .target(name: "BoardHAL", path: "CShims/BoardHAL", cSettings: cSettings),
  // Not ours, so its warnings stop nothing.
  .target(
    name: "CBearSSL", path: "CShims/CBearSSL",
    sources: ["shim.c"] + bearSSLSources.map { "source/src/\($0)" },
    cSettings: [
      .headerSearchPath("freestanding"), .headerSearchPath("source/inc"),
      .headerSearchPath("source/src"), .disableWarning("everything"),
    ]),
  module("DumpFormat", hostShims.map { .byName(name: $0.name) }),
  module("DumpSealing", ["CBearSSL", "DumpFormat"]),
  module("DumpRing", ["BoardHAL", "DumpFormat", "DumpSealing"]),
  module("ConsentLease", ["DumpFormat"]),
  module("LinkProtocol", ["ConsentLease", "DumpFormat"]),
  module("CrashCapture", ["BoardHAL", "ConsentLease", "DumpFormat", "DumpRing", "DumpSealing"]),
  module(
    "BootAgent",
    [
      "BoardHAL", "ConsentLease", "CrashCapture", "DumpFormat", "DumpRing", "DumpSealing",
      "LinkProtocol",
    ]),
]

// MARK: - Firmware

/// Test vectors of DumpSealing, for the host's tests and for the board.
let sealingVectors = module("SealingVectors", ["DumpSealing"])

let coreModules: [Target] = [
  .target(name: "CortexM4F", dependencies: ["BoardHAL"], path: "boards/cortex-m4f")
]

let demoModules: [Target] = [
  .target(
    name: "Board", dependencies: ["BoardHAL", "CortexM4F"],
    path: "boards/\(board ?? "ast1030-evb")",
    exclude: ["memory.ld", "toolset.json", "README.md", "cost.thresholds", "size.thresholds"]),
  .target(name: "DemoFaults", dependencies: ["BoardHAL"], path: "CShims/DemoFaults"),
  .executableTarget(
    name: "DemoApp",
    dependencies: ["Board", "BootAgent", "CortexM4F", "CrashCapture", "DemoFaults"],
    swiftSettings: swiftSettings),
  // What `make cost` and `make size` measure.
  .executableTarget(
    name: "CostApp",
    dependencies: ["Board", "BootAgent", "ConsentLease", "CrashCapture", "DumpSealing"],
    swiftSettings: swiftSettings),
  .executableTarget(
    name: "CaptureApp", dependencies: ["Board", "CrashCapture"], swiftSettings: swiftSettings),
  // Runs the vectors that FirmwareTests put into its flash.
  sealingVectors,
  .executableTarget(
    name: "VectorApp", dependencies: ["Board", "BoardHAL", "CrashCapture", "SealingVectors"],
    swiftSettings: swiftSettings),
]

// MARK: - Fuzzing

/// What fuzzers do with their input. Tests replay recorded inputs through the same functions.
let fuzzBodies: Target = .target(
  name: "FuzzBodies",
  dependencies: ["DumpAnalysis", "DumpFormat", "DumpOpening", "GDBSession", "LinkProtocol"],
  path: "Fuzz/Bodies", swiftSettings: swiftSettings)

/// A program that hands its command line to libFuzzer.
func fuzzer(_ name: String) -> Target {
  .executableTarget(
    name: name, dependencies: ["FuzzBodies", "FuzzDriver"], path: "Fuzz/\(name)",
    swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])],
    linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
}

let fuzzModules: [Target] = [
  module("DumpAnalysis", ["DumpFormat"]),
  // The protocol engine alone: the rest of the module starts processes.
  .target(
    name: "GDBSession", dependencies: ["DumpAnalysis", "DumpFormat"],
    path: "Sources/GDBSession/RemoteProtocol", swiftSettings: swiftSettings),
  // What needs no key: swift-crypto is not what is fuzzed here.
  .target(
    name: "DumpOpening", dependencies: ["DumpFormat"], path: "Sources/DumpOpening/Envelope",
    swiftSettings: swiftSettings),
  fuzzBodies,
  .target(name: "FuzzDriver", path: "Fuzz/Driver"),
  fuzzer("FuzzDumpDecoder"),
  fuzzer("FuzzFrameDecoder"),
  fuzzer("FuzzELFReader"),
  fuzzer("FuzzRemoteStub"),
  fuzzer("FuzzSealedDump"),
]

// MARK: - Host

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(
  name: "Configuration", package: "swift-configuration")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let certificates: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTesting: Target.Dependency = .product(
  name: "HummingbirdTesting", package: "hummingbird")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let lifecycle: Target.Dependency = .product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(
  name: "UnixSignals", package: "swift-service-lifecycle")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes: Target.Dependency = .product(
  name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1: Target.Dependency = .product(
  name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")

let hostModules: [Target] = [
  .target(
    name: "BoardHost", dependencies: ["BoardHAL"], path: "boards/host", exclude: ["README.md"],
    cSettings: cSettings),
  module("DumpAnalysis", ["DumpFormat"]),
  fuzzBodies,
  sealingVectors,
  module("DumpOpening", ["DumpFormat", crypto]),
  module("ServiceAPI", ["ConsentLease", "DumpFormat"]),
  .systemLibrary(
    name: "CLibPQ", path: "CShims/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
  module("SQLStorage", ["CLibPQ", grdb]),
  module("PrometheusMetrics", [metrics]),
  .systemLibrary(
    name: "CLibUSB", path: "CShims/CLibUSB", pkgConfig: "libusb-1.0",
    providers: [.apt(["libusb-1.0-0-dev"])]),
  .systemLibrary(name: "CGlibc", path: "CShims/CGlibc"),
  module("SerialLink", ["CLibUSB", logging, nioCore, nioPosix]),
  module(
    "HostBridge",
    [
      "ConsentLease", "DumpFormat", "LinkProtocol", "PrometheusMetrics", "SerialLink", "ServiceAPI",
      crypto, grdb, httpClient, lifecycle, logging, nioCore, nioHTTP, nioSSL, nioPosix,
    ]),
  module(
    "CrashService",
    [
      "ConsentLease", "DumpAnalysis", "DumpFormat", "DumpOpening", "PrometheusMetrics",
      "SQLStorage", "ServiceAPI", asn1, certificates, crypto, hummingbird, hummingbirdCore,
      lifecycle, logging, metrics, nioCore, nioHTTP, nioHTTPTypes, nioHTTPTypesHTTP1, nioSSL,
      configuration, subprocess, system, yams,
    ]),
  module("GDBSession", ["DumpAnalysis", "DumpFormat", subprocess]),
  program(
    "martlet-bridge",
    ["HostBridge", "SerialLink", "ServiceAPI", argumentParser, lifecycle, logging]),
  program(
    "martlet-service",
    [
      "CGlibc", "CrashService", argumentParser, hummingbird, lifecycle, logging, nioCore, nioPosix,
      signals,
    ]),
  program(
    "martlet",
    [
      "DumpAnalysis", "GDBSession", "ServiceAPI", argumentParser, httpClient, nioCore, nioHTTP,
      nioSSL, yams,
    ]),
  program("martlet-demo", ["ServiceAPI", argumentParser, nioCore, nioPosix, subprocess]),
  module(
    "MartletTestKit",
    [
      "BoardHAL", "BoardHost", "BootAgent", "CGlibc", "ConsentLease", "CrashCapture",
      "DumpFormat", "DumpOpening", "DumpRing", "LinkProtocol", "SealingVectors", crypto,
    ]),
  // What `make bench` measures the service with.
  program(
    "martlet-load",
    [
      "CGlibc", "CLibPQ", "ConsentLease", "DumpFormat", "DumpOpening", "MartletTestKit",
      "SQLStorage", "ServiceAPI", argumentParser, crypto, grdb,
    ]),
  module(
    "MartletBenchKit", ["DumpFormat", "HostBridge", "LinkProtocol", "MartletTestKit", "ServiceAPI"]),
]

let deviceTestDependencies: [Target.Dependency] = [
  "BoardHAL", "BoardHost", "BootAgent", "ConsentLease", "CrashCapture", "DumpFormat", "DumpRing",
  "LinkProtocol", "MartletTestKit",
]

let testTargets: [Target] = [
  tests(
    "DumpSealingTests", ["DumpSealing", "MartletTestKit", "SealingVectors", crypto],
    resources: [.copy("Vectors")]),
  tests("DumpFormatTests", deviceTestDependencies),
  tests("DumpRingTests", deviceTestDependencies + ["DumpSealing", crypto]),
  tests("LinkProtocolTests", deviceTestDependencies),
  tests(
    "CaptureTests", deviceTestDependencies + ["DumpAnalysis", "DumpOpening", "DumpSealing", crypto]),
  tests("BoardHostTests", deviceTestDependencies + [crypto]),
  tests("DumpOpeningTests", ["DumpFormat", "DumpOpening", "MartletTestKit", crypto]),
  tests(
    "DumpAnalysisTests",
    ["DumpAnalysis", "DumpFormat", "FuzzBodies", "GDBSession", "MartletTestKit"],
    resources: [.copy("Golden")]),
  tests(
    "HostBridgeTests",
    [
      "BoardHAL", "BootAgent", "ConsentLease", "CrashCapture", "DumpFormat", "HostBridge",
      "LinkProtocol", "MartletTestKit", "SerialLink", "ServiceAPI", grdb, logging, nioCore, nioHTTP,
      nioPosix, nioSSL,
    ]),
  tests("SQLStorageTests", ["SQLStorage", "MartletTestKit"]),
  tests("PrometheusMetricsTests", ["MartletTestKit", "PrometheusMetrics", metrics]),
  tests(
    "CrashServiceTests",
    [
      "CrashService", "DumpFormat", "DumpOpening", "MartletTestKit", "SQLStorage", "ServiceAPI",
      "MartletBenchKit", certificates, crypto, grdb, httpClient, hummingbirdTesting, logging,
      nioCore, nioEmbedded, nioHTTP, nioHTTPTypes, nioPosix, nioSSL,
    ]),
  tests(
    "FirmwareTests",
    [
      "ConsentLease", "DumpAnalysis", "DumpFormat", "GDBSession", "LinkProtocol", "MartletTestKit",
    ]),
  tests(
    "EndToEndTests",
    [
      "BoardHAL", "BootAgent", "CrashCapture", "DumpFormat", "HostBridge", "LinkProtocol",
      "MartletBenchKit", "MartletTestKit", "ServiceAPI", grdb, httpClient,
    ], resources: [.copy("Python")]),
  tests("LoadTests", ["MartletTestKit", "martlet-load", "martlet-service"]),
  tests(
    "HILTests", ["DumpFormat", "HostBridge", "MartletBenchKit", "MartletTestKit", "ServiceAPI"]),
]

/// `MARTLET_TESTS=A,B` keeps those test targets alone, for a quick turn on one module; when they need
/// the device modules alone, nothing else is built but the cryptography of the test kit.
let chosenTests = Context.environment["MARTLET_TESTS"].map {
  $0.split(separator: ",").map(String.init)
}
let deviceTests: Set = [
  "BoardHostTests", "CaptureTests", "DumpFormatTests", "DumpOpeningTests", "DumpRingTests",
  "DumpSealingTests", "LinkProtocolTests",
]
let isDeviceOnly = hosted && chosenTests.map { deviceTests.isSuperset(of: $0) } ?? false
let kitModules = hostModules.filter {
  [
    "BoardHost", "CGlibc", "DumpAnalysis", "DumpOpening", "MartletTestKit", "SealingVectors",
  ].contains($0.name)
}

// MARK: - The package

let kitDependencies: [Package.Dependency] = [
  .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2")
]

let hostDependencies: [Package.Dependency] = [
  .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
  .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
  .package(
    url: "https://github.com/apple/swift-configuration", from: "1.4.0",
    traits: [.defaults, "YAML"]),
  .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
  .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
  .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
  .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
  .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
  .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
  .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
  .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
]

/// What firmware imports; BootAgent and CrashCapture bring the modules below them.
let deviceProducts: [Product] = ["BoardHAL", "BootAgent", "CrashCapture"].map {
  .library(name: $0, targets: [$0])
}

let hostProducts: [Product] = [
  .executable(name: "martlet", targets: ["martlet"]),
  .executable(name: "martlet-bridge", targets: ["martlet-bridge"]),
  .executable(name: "martlet-service", targets: ["martlet-service"]),
  .library(name: "MartletTestKit", targets: ["MartletTestKit"]),
]

let package = Package(
  name: "Martlet",
  platforms: [.macOS(.v15)],
  products: deviceProducts
    + (board != nil ? [.library(name: "CortexM4F", targets: ["CortexM4F"])] : [])
    + (hosted && !isDeviceOnly ? hostProducts : []),
  dependencies: hosted ? kitDependencies + (isDeviceOnly ? [] : hostDependencies) : [],
  targets: hostShims + deviceModules
    + (board != nil ? coreModules : [])
    + (board != nil && board != "external" ? demoModules : [])
    + (fuzzing ? fuzzModules : [])
    + (hosted
      ? (isDeviceOnly ? kitModules : hostModules)
        + testTargets.filter { chosenTests?.contains($0.name) ?? true } : [])
)
