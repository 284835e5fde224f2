// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let optimised: [CSetting] = [.unsafeFlags(["-O2", "-Wall", "-Werror"])]

let package = Package(
  name: "bench",
  dependencies: [.package(name: "halfopen", path: "../..")],
  targets: [
    .target(name: "CMeasure", cSettings: optimised),
    .executableTarget(name: "first", cSettings: optimised),
    .executableTarget(name: "twins", dependencies: ["CMeasure"], cSettings: optimised),
    .executableTarget(
      name: "bench",
      dependencies: [
        "CMeasure", .product(name: "HalfOpen", package: "halfopen"),
        .product(name: "HalfOpenTesting", package: "halfopen"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
  ]
)
