// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
import SystemPackage

/// Asks the kernel for links, addresses, routes and neighbours of the network namespace it was opened in.
///
/// Synchronous, for one thread. One request is under way at a time. Errors carry the kernel's own code.
package typealias Netlink = NetlinkSession<NetlinkSocket>

extension NetlinkSession where Port == NetlinkSocket {
  package init() throws(SystemCallError) { self.init(port: try NetlinkSocket()) }
}

extension NetlinkSession where Port: ~Copyable {
  package mutating func links() throws(SystemCallError) -> [Link] {
    try ask(.links, for: .init(RTM_NEWLINK)) { bytes throws(NetlinkFormatError) in try Link(netlink: bytes) }
  }

  package mutating func addresses() throws(SystemCallError) -> [InterfaceAddress] {
    try ask(.addresses, for: .init(RTM_NEWADDR)) { bytes throws(NetlinkFormatError) in
      try InterfaceAddress(netlink: bytes)
    }
  }

  /// Every entry of every table of `family`, the local table's included: its `.local` prefixes are what this host
  /// answers for.
  package mutating func routes(_ family: IPFamily) throws(SystemCallError) -> [Route] { try routes(family) { $0 } }

  /// Every entry of every table of `family`, as what `keep` makes of it; nil skips it. A router has a million.
  package mutating func routes<Value>(
    _ family: IPFamily, keep: (Route) -> Value?
  ) throws(SystemCallError) -> [Value] {
    try ask(.routes(family), for: .init(RTM_NEWROUTE)) { bytes throws(NetlinkFormatError) in
      try Route(netlink: bytes).flatMap(keep)
    }
  }

  /// The policy database of `family`: which tables are asked for whom, in order.
  package mutating func rules(_ family: IPFamily) throws(SystemCallError) -> [PolicyRule] {
    try ask(.rules(family), for: .init(RTM_NEWRULE)) { bytes throws(NetlinkFormatError) in
      try PolicyRule(netlink: bytes)
    }
  }

  package mutating func neighbours(_ family: IPFamily) throws(SystemCallError) -> [Neighbour] {
    try ask(.neighbours(family), for: .init(RTM_NEWNEIGH)) { bytes throws(NetlinkFormatError) in
      try Neighbour(netlink: bytes)
    }
  }

  /// What the kernel knows of `address`, nil for nothing.
  /// - Throws: `SystemCallError`, with ENODEV for an interface that does not exist.
  package mutating func neighbour(
    _ address: IPAddress, interfaceIndex: UInt32
  ) throws(SystemCallError) -> Neighbour? {
    do {
      return try ask(
        .neighbour(address, interfaceIndex: interfaceIndex), for: .init(RTM_NEWNEIGH)
      ) { bytes throws(NetlinkFormatError) in try Neighbour(netlink: bytes) }.first
    } catch {
      if error.errno == .noSuchFileOrDirectory { return nil }
      throw error
    }
  }

  /// Which way a packet would go.
  /// - Throws: `SystemCallError` where nothing would be sent: ENETUNREACH (no route), EHOSTUNREACH (unreachable route),
  ///   EACCES (prohibit), EINVAL (blackhole, or a source that is not ours), ENODEV (no such interface).
  package mutating func route(_ query: RouteQuery) throws(SystemCallError) -> RouteAnswer {
    let found = try ask(.route(query), for: .init(RTM_NEWROUTE)) { bytes throws(NetlinkFormatError) in
      try Route(netlink: bytes)
    }
    guard let route = found.first else { throw SystemCallError(call: "RTM_GETROUTE", errno: .networkUnreachable) }
    if let errno = route.type.errno { throw SystemCallError(call: "RTM_GETROUTE", errno: errno) }
    guard let hop = route.nextHops.first else {
      throw SystemCallError(call: "RTM_GETROUTE", errno: .networkUnreachable)
    }
    // The kernel leaves the source out where it is the one that was asked with (inet_rtm_getroute).
    return RouteAnswer(
      interfaceIndex: hop.interfaceIndex, source: route.preferredSource ?? query.source, gateway: hop.gateway,
      type: route.type, mtu: route.mtu)
  }
}
