// SPDX-License-Identifier: Apache-2.0

import Foundation

enum Verdict: UInt8 { case open, closed, unreachable, silent }

/// What to sweep, and what the answers have to be.
struct Job {
  var name: String
  var ground: Lab.Ground
  /// As every tool takes them.
  var hosts: String
  var ports: String
  var hostCount: Int
  var portCount: Int
  var loss = 0.0
  var isIPv6 = false

  var count: Int { hostCount * portCount }

  static let mixed = Job(
    name: "131,072 hosts x 1 port, mixed", ground: .mixed, hosts: "10.64.0.0/15", ports: "80", hostCount: 131_072,
    portCount: 1)
  static let allOpen = Job(
    name: "131,072 hosts x 1 port, all open", ground: .open, hosts: "10.64.0.0/15", ports: "80", hostCount: 131_072,
    portCount: 1)
  static let closedPorts = Job(
    name: "1 host x 65,535 ports, 501 open, the rest closed", ground: .closedPorts, hosts: "10.64.0.0",
    ports: "1-65535", hostCount: 1, portCount: 65_535)
  static let silentPorts = Job(
    name: "1 host x 65,535 ports, 501 open, the rest silent", ground: .silentPorts, hosts: "10.64.0.0",
    ports: "1-65535", hostCount: 1, portCount: 65_535)
  static let block = Job(
    name: "256 hosts x 1,000 ports, half the hosts silent", ground: .block, hosts: "10.64.0.0/24", ports: "1-1000",
    hostCount: 256, portCount: 1000)
  static let mixed6 = Job(
    name: "65,536 hosts of an IPv6 /112, mixed", ground: .mixed, hosts: "fd64::/112", ports: "80", hostCount: 65_536,
    portCount: 1, isIPv6: true)

  /// The number of a target: its address's distance from the first one's, then its port's.
  func index(address: ArraySlice<UInt8>, port: Int) -> Int? {
    let host: Int
    if isIPv6 {
      guard let colon = address.lastIndex(of: UInt8(ascii: ":")) else { return nil }
      let digits = address[(colon + 1)...]
      guard let value = digits.isEmpty ? 0 : Int(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
      host = value
    } else {
      var value = 0
      var octet = 0
      for byte in address {
        if byte == UInt8(ascii: ".") {
          value = value << 8 | octet
          octet = 0
        } else {
          guard byte >= 48, byte <= 57 else { return nil }
          octet = octet * 10 + Int(byte - 48)
        }
      }
      host = (value << 8 | octet) - 0x0a40_0000
    }
    let first = portCount == 1 ? 80 : 1
    guard host >= 0, host < hostCount, port >= first, port < first + portCount else { return nil }
    return host * portCount + port - first
  }

  /// What each target is, by number.
  func truth() -> [Verdict] {
    let open = Set(Lab.openPorts(ground).map(Int.init))
    return (0..<count).map { index in
      let (host, port) = (index / portCount, index % portCount + 1)
      switch ground {
      case .mixed:
        switch host & 7 {
        case 0: return .open
        case 1...3: return .closed
        case 4: return .unreachable
        default: return .silent
        }
      case .open: return .open
      case .closedPorts: return open.contains(port) ? .open : .closed
      case .silentPorts: return open.contains(port) ? .open : .silent
      case .block: return host & 1 == 1 ? .silent : open.contains(port) ? .open : .closed
      case .closedNetwork: return .closed
      case .blackHole: return .silent
      }
    }
  }
}

/// What a tool said, held against the truth.
struct Findings: Codable {
  var open = 0
  var closed = 0
  var unreachable = 0
  /// Targets named silent that are.
  var silent = 0
  /// Answering targets, of the kinds that the tool tells of, that it did not name right.
  var missed = 0
  /// Targets said to be what they are not.
  var wrong = 0
  /// Targets named more than once.
  var duplicates = 0
}
