// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// A network interface. See rtnetlink(7), RTM_NEWLINK.
package struct Link: Hashable, Sendable {
  package var index: UInt32
  package var name: String
  package var type: LinkType
  package var flags: LinkFlags
  /// Six bytes on Ethernet, other lengths elsewhere, none on tun.
  package var hardwareAddress: [UInt8]
  /// The largest IP packet, in bytes.
  package var mtu: UInt32

  package var isLoopback: Bool { flags.contains(.loopback) }
  package var isUp: Bool { flags.contains(.up) }

  /// The hardware address, where the link has one of Ethernet's size.
  package var macAddress: MACAddress? { MACAddress(hardware: hardwareAddress) }
}

/// What kind of frames a link carries: the `ARPHRD_` numbers of `<linux/if_arp.h>`.
package struct LinkType: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }
  package static let ethernet = LinkType(rawValue: 1)
  package static let loopback = LinkType(rawValue: 772)
  /// Bare IP packets: tun, WireGuard.
  package static let none = LinkType(rawValue: 0xfffe)
}

/// The `IFF_` flags of netdevice(7).
package struct LinkFlags: OptionSet, Hashable, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Switched on.
  package static let up = LinkFlags(rawValue: 0x1)
  package static let loopback = LinkFlags(rawValue: 0x8)
  package static let pointToPoint = LinkFlags(rawValue: 0x10)
  /// Able to carry packets.
  package static let running = LinkFlags(rawValue: 0x40)
  /// No neighbour discovery.
  package static let noARP = LinkFlags(rawValue: 0x80)
}

extension Link {
  /// Reads the payload of an RTM_NEWLINK message: `struct ifinfomsg` and attributes.
  package init(netlink bytes: Span<UInt8>) throws(NetlinkFormatError) {
    index = try bytes.hostUInt32(at: 4)
    type = LinkType(rawValue: try bytes.hostUInt16(at: 2))
    flags = LinkFlags(rawValue: try bytes.hostUInt32(at: 8))
    var (name, hardware, mtu) = ("", [UInt8](), UInt32(0))
    try bytes.forEachNetlinkAttribute(from: 16) { (kind, value) throws(NetlinkFormatError) in
      switch Int(kind) {
      case IFLA_IFNAME: name = value.netlinkText()
      case IFLA_ADDRESS: hardware = value.copied()
      case IFLA_MTU: mtu = try value.hostNumber()
      default: break
      }
    }
    (self.name, hardwareAddress, self.mtu) = (name, hardware, mtu)
  }
}

/// An address of an interface. See rtnetlink(7), RTM_NEWADDR.
package struct InterfaceAddress: Hashable, Sendable {
  package var interfaceIndex: UInt32
  /// Our own end, also on a point-to-point link.
  package var address: IPAddress
  package var prefixLength: UInt8
  /// The `IFA_F_` flags, such as 0x40 for tentative.
  package var flags: UInt32
  /// 0 for global, 253 for link, 254 for host (`RT_SCOPE_`).
  package var scope: UInt8
}

extension InterfaceAddress {
  /// Reads the payload of an RTM_NEWADDR message: `struct ifaddrmsg` and attributes.
  /// - Returns: nil for a message without an address, or of a family that is not IP.
  package init?(netlink bytes: Span<UInt8>) throws(NetlinkFormatError) {
    interfaceIndex = try bytes.hostUInt32(at: 4)
    let family = bytes[0]
    prefixLength = bytes[1]
    scope = bytes[3]
    var (flags, local, peer) = (UInt32(bytes[2]), IPAddress?.none, IPAddress?.none)
    guard family.isInternet else { return nil }
    try bytes.forEachNetlinkAttribute(from: 8) { (kind, value) throws(NetlinkFormatError) in
      switch Int(kind) {
      case IFA_LOCAL: local = try value.netlinkAddress(family: family)
      case IFA_ADDRESS: peer = try value.netlinkAddress(family: family)
      case IFA_FLAGS: flags = try value.hostNumber()
      default: break
      }
    }
    // Between two ends IFA_ADDRESS is the far one; IPv6 has no IFA_LOCAL otherwise (<linux/if_addr.h>).
    guard let address = local ?? peer else { return nil }
    (self.address, self.flags) = (address, flags)
  }
}

extension UInt8 {
  var isInternet: Bool { CInt(self) == AF_INET || CInt(self) == AF_INET6 }
}

extension MACAddress {
  init?(hardware bytes: [UInt8]) {
    guard bytes.count == 6 else { return nil }
    self.init(rawValue: bytes.reduce(0) { $0 << 8 | UInt64($1) })
  }
}
