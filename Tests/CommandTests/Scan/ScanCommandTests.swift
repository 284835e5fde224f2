// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HalfOpen
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

@testable import halfopen_command

/// What `halfopen scan` takes, and what it reads its targets from.
@Suite struct ScanCommandTests {
  @Test(arguments: [
    ("10.0.0.0/24 -p80,443 --rate max -o jsonl=a -o csv=-", true), ("10.0.0.0/24 -p-", true),
    ("-iL list --top-ports 100 --retries 0 --cooldown 0s", true), ("10.0.0.1 --shard 2/4 --seed 7 -p 1", true),
    ("", false), ("10.0.0.1 -p 80 --top-ports 5", false), ("10.0.0.1 --top-ports 0", false),
    ("10.0.0.1 -p 80 --retries 16", false), ("10.0.0.1 -p 80 --rate 0", false), ("10.0.0.1 -p 80-", true),
    ("10.0.0.1 -p 70000", false), ("10.0.0.1 -p 80 --shard 5/4", false), ("10.0.0.1 -p 80 -o xml=a", false),
    ("10.0.0.1 -p 80 -o jsonl=a -o csv=a", false), ("10.0.0.1 -p 80 --ttl 0", false),
    ("10.0.0.1 -p 80 --gateway-mac zz", false), ("10.0.0.1 -p 80 --backend connect --ttl 3", false),
    ("10.0.0.1 -p 80 --backend connect", true), ("10.0.0.1 -p 80 --capture-interface any", false),
    ("10.0.0.1 -p 80 --checkpoint f -o text=f", false), ("10.0.0.1 -p 80 --capture-interface eth1", true),
    ("10.0.0.1 -p 80 --checkpoint a --no-checkpoint", false),
    ("--targets - --targets - -p 80", false), ("10.0.0.1 -p 80 --max-results 0", false),
    ("10.0.0.1 -p 80 --exclude-port x", false), ("10.0.0.1 -p 80 --transmit wire", false), ("--resume f", true),
    ("--resume f --rate 5 -q --max-time 1m", true), ("--resume f 10.0.0.1", false), ("--resume f -p 80", false),
    ("--resume f -o text=-", false), ("--resume f --checkpoint g", false), ("--resume f --seed 1", false),
  ])
  func takesAndRefuses(_ words: String, isFine: Bool) {
    let arguments = words.split(separator: " ").map(String.init)
    #expect(((try? ScanCommand.parse(arguments)) != nil) == isFine)
  }

  @Test func readsArgumentsFilesAndExclusions() async throws {
    let folder = try makeTemporaryFolder(prefix: "scan")
    try writeFile("\(folder)/in", "10.0.0.0/30 # a network\n10.1.0.1:22,80 [2001:db8::1]:443\n\n")
    try writeFile("\(folder)/out", "10.0.0.2\n10.1.0.1:22\n")
    let targets = try await reader(hosts: ["10.0.0.3"], files: ["\(folder)/in"], exclusionFiles: ["\(folder)/out"])
      .read()
    let all = (0..<targets.set.count).map { targets.set[$0] }.map { "\($0.address) \($0.port)" }
    #expect(
      all == ["10.0.0.0 80", "10.0.0.1 80", "10.0.0.3 80", "10.1.0.1 80", "2001:db8::1 443"])
  }

  @Test func aMistakeInAFileIsToldWithItsPlaceAndNothingIsProbed() async throws {
    let folder = try makeTemporaryFolder(prefix: "scan")
    try writeFile("\(folder)/in", "10.0.0.1\n  10.0.0.300 10.0.0.1:0\n")
    let error = await #expect(throws: ScanInputError.self) { try await reader(files: ["\(folder)/in"]).read() }
    guard case .unreadable(let messages) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(messages.count == 2)
    #expect(messages.first?.hasPrefix("\(folder)/in:2:3: invalid target '10.0.0.300'") == true)
    #expect(messages.last?.hasPrefix("\(folder)/in:2:") == true)
  }

  @Test func aFileThatIsNotThereIsNamed() async throws {
    let error = await #expect(throws: ScanInputError.self) { try await reader(files: ["/nowhere/at all"]).read() }
    guard case .unreadable(let messages) = error else { return #expect(Bool(false)) }
    #expect(messages.count == 1 && messages[0].contains("/nowhere/at all"))
  }

  @Test func namesComeFromTheResolverAndAreKept() async throws {
    let targets = try await reader(hosts: ["a.example", "nobody.example"], exclusions: ["b.example"]).read()
    #expect(targets.set.count == 1)
    #expect(targets.names.values.sorted() == ["a.example"])
    #expect(targets.faults.map(\.target) == ["nobody.example"])
  }

  @Test func anExclusionThatDoesNotResolveStopsEverything() async throws {
    let error = await #expect(throws: ScanInputError.self) {
      try await reader(hosts: ["10.0.0.1"], exclusions: ["nobody.example"]).read()
    }
    guard case .unresolved = error else { return #expect(Bool(false), "\(String(describing: error))") }
  }

  @Test func tooManyMistakesAreCounted() async throws {
    let folder = try makeTemporaryFolder(prefix: "scan")
    try writeFile("\(folder)/in", String(repeating: "10.0.0.300\n", count: 50))
    let error = await #expect(throws: ScanInputError.self) { try await reader(files: ["\(folder)/in"]).read() }
    guard case .unreadable(let messages) = error else { return #expect(Bool(false)) }
    #expect(messages.count == 21)
    #expect(messages.last?.hasPrefix("and 30 more") == true)
  }

  /// Knows two names by heart: nobody out there is asked.
  private static let resolver = NameResolver(threads: 2) { (name, _) throws(NameLookupError) in
    switch name {
    case "a.example": [SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 0)]
    case "b.example": [SocketAddress(.v4(IPv4Address(192, 0, 2, 2)), port: 0)]
    default: []
    }
  }

  private func reader(
    hosts: [String] = [], files: [String] = [], exclusions: [String] = [], exclusionFiles: [String] = []
  ) -> ScanTargetReader {
    ScanTargetReader(
      hosts: hosts, files: files, exclusions: exclusions, exclusionFiles: exclusionFiles, ports: PortSet([80...80]),
      excludedPorts: .none, family: nil, allAddresses: false, resolver: Self.resolver)
  }
}
