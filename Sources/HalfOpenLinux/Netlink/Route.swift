// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
package import SystemPackage

/// What a route does with a packet: the `RTN_` numbers of rtnetlink(7).
package struct RouteType: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static let unicast = RouteType(rawValue: 1)
  /// To this host.
  package static let local = RouteType(rawValue: 2)
  package static let broadcast = RouteType(rawValue: 3)
  package static let anycast = RouteType(rawValue: 4)
  package static let multicast = RouteType(rawValue: 5)
  package static let blackhole = RouteType(rawValue: 6)
  package static let unreachable = RouteType(rawValue: 7)
  package static let prohibit = RouteType(rawValue: 8)
  package static let `throw` = RouteType(rawValue: 9)

  /// What a socket gets that sends there, for the types that send nothing (`fib_props` in net/ipv4/fib_semantics.c).
  package var errno: Errno? {
    switch self {
    case .blackhole: .invalidArgument
    case .unreachable: .noRouteToHost
    case .prohibit: .permissionDenied
    case .throw: .networkUnreachable
    default: nil
    }
  }
}

/// Where a route leads.
package struct NextHop: Hashable, Sendable {
  package var interfaceIndex: UInt32
  /// nil where the destination is on the link. IPv6 also for an IPv4 route (RFC 5549).
  package var gateway: IPAddress?

  package init(interfaceIndex: UInt32, gateway: IPAddress?) {
    self.interfaceIndex = interfaceIndex
    self.gateway = gateway
  }
}

/// One entry of a routing table. See rtnetlink(7), RTM_NEWROUTE.
package struct Route: Hashable, Sendable {
  package static let localTable: UInt32 = 255

  package var family: IPFamily
  /// nil for the default route.
  package var destination: IPAddress?
  package var prefixLength: UInt8
  package var table: UInt32
  package var type: RouteType
  /// Several on a multipath route, none on one that sends nothing.
  package var nextHops: [NextHop]
  package var preferredSource: IPAddress?
  package var metric: UInt32
  /// The largest IP packet, where the route says.
  package var mtu: UInt32?
  /// The type of service it is for; 0 for all.
  package var typeOfService: UInt8 = 0
  /// The nexthop object it refers to (ip-nexthop(8)); 0 for none.
  package var nextHopObject: UInt32 = 0
}

extension Route {
  /// Reads the payload of an RTM_NEWROUTE message: `struct rtmsg` and attributes.
  /// - Returns: nil for a family that is not IP (multicast routing shares the message type).
  package init?(netlink bytes: Span<UInt8>) throws(NetlinkFormatError) {
    guard bytes.count >= 12 else { throw NetlinkFormatError(.truncated, at: bytes.count) }
    let family = bytes[0]
    guard family.isInternet else { return nil }
    self.init(
      family: CInt(family) == AF_INET ? .v4 : .v6, destination: nil, prefixLength: bytes[1], table: UInt32(bytes[4]),
      type: RouteType(rawValue: bytes[7]), nextHops: [], preferredSource: nil, metric: 0, mtu: nil)
    var route = self
    route.typeOfService = bytes[3]
    var (hop, several) = (NextHop(interfaceIndex: 0, gateway: nil), [NextHop]())
    try bytes.forEachNetlinkAttribute(from: 12) { (kind, value) throws(NetlinkFormatError) in
      switch UInt32(kind) {
      case RTA_DST.rawValue: route.destination = try value.netlinkAddress(family: family)
      case RTA_TABLE.rawValue: route.table = try value.hostNumber()
      case RTA_OIF.rawValue: hop.interfaceIndex = try value.hostNumber()
      case RTA_GATEWAY.rawValue: hop.gateway = try value.netlinkAddress(family: family)
      case RTA_VIA.rawValue: hop.gateway = try value.via()
      case RTA_PREFSRC.rawValue: route.preferredSource = try value.netlinkAddress(family: family)
      case RTA_PRIORITY.rawValue: route.metric = try value.hostNumber()
      case RTA_METRICS.rawValue: route.mtu = try value.mtuMetric()
      case RTA_NH_ID.rawValue: route.nextHopObject = try value.hostNumber()
      case RTA_MULTIPATH.rawValue: several = try value.nextHops(family: family)
      default: break
      }
    }
    route.nextHops = hop.interfaceIndex == 0 ? several : [hop]
    self = route
  }
}

extension Span<UInt8> {
  /// `struct rtvia`: a family and an address of it.
  fileprivate func via() throws(NetlinkFormatError) -> IPAddress {
    let family = UInt8(truncatingIfNeeded: try hostUInt16(at: 0))
    return try extracting(2...).netlinkAddress(family: family)
  }

  /// The RTAX_MTU among the metrics, which are attributes themselves.
  fileprivate func mtuMetric() throws(NetlinkFormatError) -> UInt32? {
    var mtu: UInt32?
    try forEachNetlinkAttribute(from: 0) { (kind, value) throws(NetlinkFormatError) in
      if Int(kind) == RTAX_MTU { mtu = try value.hostNumber() }
    }
    return mtu
  }

  /// A list of `struct rtnexthop` (length, flags, hops, interface), each with attributes.
  fileprivate func nextHops(family: UInt8) throws(NetlinkFormatError) -> [NextHop] {
    var hops: [NextHop] = []
    var offset = 0
    while offset < count {
      let length = Int(try hostUInt16(at: offset))
      guard length >= 8 else { throw NetlinkFormatError(.badLength, at: offset) }
      guard length <= count &- offset else { throw NetlinkFormatError(.truncated, at: offset) }
      let entry = extracting(offset..<offset &+ length)
      var hop = NextHop(interfaceIndex: try entry.hostUInt32(at: 4), gateway: nil)
      try entry.forEachNetlinkAttribute(from: 8) { (kind, value) throws(NetlinkFormatError) in
        switch UInt32(kind) {
        case RTA_GATEWAY.rawValue: hop.gateway = try value.netlinkAddress(family: family)
        case RTA_VIA.rawValue: hop.gateway = try value.via()
        default: break
        }
      }
      hops.append(hop)
      offset &+= (length &+ 3) & ~3
    }
    return hops
  }
}

/// A question: which way would a packet go?
package struct RouteQuery: Hashable, Sendable {
  package var destination: IPAddress
  /// The sender, where it is settled already; the kernel refuses one that is not an address of this host (EINVAL).
  package var source: IPAddress?
  /// The way out, where it is settled already; an IPv6 link-local destination needs it. 0 for any.
  package var interfaceIndex: UInt32
  /// The packet's mark, for policy routing. 0 for none.
  package var mark: UInt32

  package init(to destination: IPAddress, from source: IPAddress? = nil, interfaceIndex: UInt32 = 0, mark: UInt32 = 0) {
    self.destination = destination
    self.source = source
    self.interfaceIndex = interfaceIndex
    self.mark = mark
  }
}

/// The kernel's answer to a `RouteQuery`.
package struct RouteAnswer: Hashable, Sendable {
  package var interfaceIndex: UInt32
  /// The address the kernel would send from.
  package var source: IPAddress?
  /// Whose neighbour entry matters; nil where the destination is its own next hop.
  package var gateway: IPAddress?
  package var type: RouteType
  /// The largest IP packet, where the route says; else the link's counts.
  package var mtu: UInt32?

  package init(
    interfaceIndex: UInt32, source: IPAddress?, gateway: IPAddress?, type: RouteType = .unicast, mtu: UInt32? = nil
  ) {
    self.interfaceIndex = interfaceIndex
    self.source = source
    self.gateway = gateway
    self.type = type
    self.mtu = mtu
  }

  /// The destination is an address of this host.
  package var isLocal: Bool { type == .local }
}
