// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// What the kernel knows of an address on a link. See arp(7) and rtnetlink(7), RTM_NEWNEIGH.
package struct Neighbour: Hashable, Sendable {
  package var interfaceIndex: UInt32
  package var address: IPAddress
  package var state: NeighbourState
  package var hardwareAddress: [UInt8]

  package init(interfaceIndex: UInt32, address: IPAddress, state: NeighbourState, hardwareAddress: [UInt8] = []) {
    self.interfaceIndex = interfaceIndex
    self.address = address
    self.state = state
    self.hardwareAddress = hardwareAddress
  }

  /// The hardware address, where it has Ethernet's size.
  package var macAddress: MACAddress? { MACAddress(hardware: hardwareAddress) }
}

/// The `NUD_` states of `<linux/neighbour.h>`.
package struct NeighbourState: OptionSet, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }
  /// Asked, not answered yet.
  package static let incomplete = NeighbourState(rawValue: 0x01)
  package static let reachable = NeighbourState(rawValue: 0x02)
  package static let stale = NeighbourState(rawValue: 0x04)
  package static let delay = NeighbourState(rawValue: 0x08)
  package static let probe = NeighbourState(rawValue: 0x10)
  /// Asked without an answer: packets come back as host unreachable.
  package static let failed = NeighbourState(rawValue: 0x20)
  /// The link needs no addresses.
  package static let noARP = NeighbourState(rawValue: 0x40)
  package static let permanent = NeighbourState(rawValue: 0x80)

  /// Packets leave at once in these states (`NUD_VALID` in net/neighbour.h).
  package static let valid: NeighbourState = [.permanent, .noARP, .reachable, .probe, .stale, .delay]

  package var isUsable: Bool { !isDisjoint(with: .valid) }

  /// The word that ip-neighbour(8) has for it.
  package var description: String {
    switch self {
    case .incomplete: "incomplete"
    case .reachable: "reachable"
    case .stale: "stale"
    case .delay: "delay"
    case .probe: "probe"
    case .failed: "failed"
    case .noARP: "noarp"
    case .permanent: "permanent"
    case []: "none"
    default: "0x" + String(rawValue, radix: 16)
    }
  }
}

extension Neighbour {
  /// Reads the payload of an RTM_NEWNEIGH message: `struct ndmsg` and attributes.
  /// - Returns: nil for a message without an address, or of a family that is not IP (bridges share the type).
  package init?(netlink bytes: Span<UInt8>) throws(NetlinkFormatError) {
    interfaceIndex = try bytes.hostUInt32(at: 4)
    state = NeighbourState(rawValue: try bytes.hostUInt16(at: 8))
    let family = bytes[0]
    guard family.isInternet else { return nil }
    var (found, hardware) = (IPAddress?.none, [UInt8]())
    try bytes.forEachNetlinkAttribute(from: 12) { (kind, value) throws(NetlinkFormatError) in
      switch Int(kind) {
      case NDA_DST: found = try value.netlinkAddress(family: family)
      case NDA_LLADDR: hardware = value.copied()
      default: break
      }
    }
    guard let address = found else { return nil }
    (self.address, hardwareAddress) = (address, hardware)
  }
}
