// SPDX-License-Identifier: Apache-2.0

public import HalfOpenTesting
public import HalfOpenWire

/// A client's namespace and a server's, joined by a cable (a veth pair), on which one prefix is swallowed.
public struct CableNetwork: Sendable {
  /// Where the checker under test runs.
  public let client: NetworkNamespace
  /// Where listeners and servers run.
  public let server: NetworkNamespace
  /// The name of the interface on both sides.
  public let interface = "ho0"

  /// Own addresses of the client, on the cable.
  public let clientAddresses: [IPFamily: IPAddress] = [.v4: "192.0.2.1".ip, .v6: "2001:db8::1".ip]
  /// Own addresses of the server, on the cable.
  public let serverAddresses: [IPFamily: IPAddress] = [.v4: "192.0.2.2".ip, .v6: "2001:db8::2".ip]
  /// Addresses behind the server that no packet comes back from.
  public let blackHoles: [IPFamily: IPPrefix] = [.v4: "198.51.100.0/24", .v6: "2001:db8:dead::/48"]
  /// Addresses on the cable that nobody has: ARP and neighbour discovery get no answer.
  public let absent: [IPFamily: IPAddress] = [.v4: "192.0.2.99".ip, .v6: "2001:db8::99".ip]

  /// Builds both namespaces.
  public init() throws {
    client = try NetworkNamespace()
    server = try NetworkNamespace()
    try client.link(
      to: server, addresses: ["192.0.2.1/24", "2001:db8::1/64"], peerAddresses: ["192.0.2.2/24", "2001:db8::2/64"])
    for family in IPFamily.allCases {
      guard let prefix = blackHoles[family], let gateway = serverAddresses[family] else { continue }
      try client.addRoute(prefix, via: IPPrefix(gateway, length: gateway.bitWidth))
    }
    // The server is a host and forwards nothing; the rule says the same where forwarding is on by default.
    try server.loadRules(
      """
      table inet hole {
        chain in { type filter hook prerouting priority raw; policy accept;
          ip daddr 198.51.100.0/24 drop
          ip6 daddr 2001:db8:dead::/48 drop
        }
      }
      """)
  }
}

/// A namespace that answers itself for every host of 10.9.0.0/16: port 80 is open, the others are closed.
public struct HostsNetwork: Sendable {
  /// Where the hosts are, and the checker under test runs.
  public let namespace: NetworkNamespace
  private let listener: LocalListener

  /// - Parameter silent: what is dropped instead, as nftables matches it, such as `tcp dport 82`.
  public init(silent: String? = nil) throws {
    namespace = try NetworkNamespace()
    try namespace.addLocalPrefix("10.9.0.0/16")
    if let silent {
      try namespace.loadRules("table inet truth { chain in { type filter hook input priority 0; \(silent) drop; }; }")
    }
    listener = try LocalListener(in: namespace, on: .v4(.unspecified), port: 80, backlog: 65536)
  }
}

extension String {
  /// The address this text of a test's source says.
  public var ip: IPAddress {
    guard let address = IPAddress(self) else { preconditionFailure("'\(self)' is no IP address") }
    return address
  }
}
