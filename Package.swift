// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Every target of ours: Swift 6 mode, memory-unsafe code marked line by line, no warning left standing.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .define("HALFOPEN_LIBPCAP", .when(traits: ["Libpcap"])),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let pcap = Target.Dependency.target(name: "HalfOpenPcap", condition: .when(traits: ["Libpcap"]))

let package = Package(
  name: "halfopen",
  products: [
    .library(name: "HalfOpen", targets: ["HalfOpen"]),
    .library(name: "HalfOpenWire", targets: ["HalfOpenWire"]),
    .library(name: "HalfOpenTesting", targets: ["HalfOpenTesting"]),
    .executable(name: "halfopen", targets: ["halfopen-command"]),
  ],
  traits: [
    .trait(
      name: "Libpcap", description: "The packet engine. Without it HalfOpen is connect-only and links no libpcap."),
    .default(enabledTraits: ["Libpcap"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
    .target(name: "HalfOpenWire", swiftSettings: strict),
    .target(name: "HalfOpenLinux", dependencies: ["CLinux", "HalfOpenWire", system], swiftSettings: strict),
    .target(
      name: "HalfOpenPcap",
      dependencies: [
        .target(name: "CPcap", condition: .when(traits: ["Libpcap"])), "CLinux", "HalfOpenLinux", "HalfOpenWire",
        system,
      ],
      swiftSettings: strict),
    .target(
      name: "HalfOpen",
      dependencies: ["HalfOpenLinux", "HalfOpenWire", pcap, system],
      swiftSettings: strict),
    .target(
      name: "HalfOpenTesting",
      dependencies: ["CLinux", "HalfOpenLinux", "HalfOpenWire", pcap, system],
      swiftSettings: strict),
    .executableTarget(
      name: "halfopen-command",
      dependencies: [
        "HalfOpen", "HalfOpenLinux", "HalfOpenWire", system,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/halfopen",
      swiftSettings: strict),
    .target(
      name: "TestSupport",
      dependencies: ["CLinux", "HalfOpen", "HalfOpenLinux", "HalfOpenTesting", "HalfOpenWire"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    .testTarget(
      name: "HalfOpenWireTests", dependencies: ["HalfOpenLinux", "HalfOpenWire", "TestSupport"], exclude: ["Corpus"],
      swiftSettings: strict),
    .testTarget(
      name: "HalfOpenLinuxTests", dependencies: ["CLinux", "HalfOpenLinux", "HalfOpenWire", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "HalfOpenPcapTests", dependencies: [pcap, "CLinux", "HalfOpenLinux", "HalfOpenWire", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "HalfOpenTests",
      dependencies: ["HalfOpen", "HalfOpenLinux", "HalfOpenTesting", "HalfOpenWire", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "HalfOpenTestingTests",
      dependencies: ["HalfOpenLinux", "HalfOpenTesting", "HalfOpenWire", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "halfopen-command", "HalfOpen", "HalfOpenLinux", "HalfOpenTesting", "HalfOpenWire", "TestSupport", system,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
  ]
)

// For scripts/bench micro, which looks inside of the modules and so can't be a package of its own.
if Context.environment["HALFOPEN_MICRO"] != nil {
  package.products.removeAll { $0.name == "halfopen" }
  package.targets.removeAll { $0.name == "halfopen-command" || $0.name == "CommandTests" }
  package.targets += [
    .target(
      name: "ResultLines", dependencies: ["HalfOpen", "HalfOpenLinux", "HalfOpenWire", system],
      path: "Sources/halfopen/Output",
      exclude: [
        "Diagnostics.swift", "LineWriter.swift", "Nmap", "OutputThread.swift", "Reporter.swift",
        "Scan/MasscanEncoders.swift", "Scan/SweepFile.swift", "Scan/SweepFormat.swift", "Scan/SweepOutputs.swift",
        "Scan/ZmapEncoder.swift",
      ], swiftSettings: strict),
    .target(name: "CCalls", path: "scripts/bench-package/Sources/CCalls"),
    .target(name: "CMeasure", path: "scripts/bench-package/Sources/CMeasure"),
    .executableTarget(
      name: "micro", dependencies: ["CCalls", "CMeasure", "HalfOpen", "HalfOpenLinux", "HalfOpenWire", "ResultLines"],
      path: "scripts/bench-package/Sources/micro",
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
  ]
}
