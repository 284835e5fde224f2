// SPDX-License-Identifier: Apache-2.0

/// How the frames of a capture begin. The raw value is libpcap's `DLT_*` number on Linux.
public struct LinkType: RawRepresentable, Hashable, Sendable {
  /// The `DLT_*` number.
  public var rawValue: Int32

  /// The link type with this number.
  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  /// A 4-byte address family in the byte order of the capturing machine (`DLT_NULL`).
  public static let null = LinkType(rawValue: 0)
  /// Ethernet (`DLT_EN10MB`); also loopback on Linux.
  public static let ethernet = LinkType(rawValue: 1)
  /// No link layer: the IP header first, as on tun and WireGuard (`DLT_RAW`).
  public static let rawIP = LinkType(rawValue: 12)
  /// Version one of the pseudo header of `any` (`DLT_LINUX_SLL`).
  public static let linuxCooked = LinkType(rawValue: 113)
  /// Version two of it, with the interface (`DLT_LINUX_SLL2`).
  public static let linuxCooked2 = LinkType(rawValue: 276)

  /// Whether ``Frame`` can read it.
  public var isSupported: Bool {
    switch self {
    case .null, .ethernet, .rawIP, .linuxCooked, .linuxCooked2: true
    default: false
    }
  }
}

/// What the link layer of a frame says.
public struct LinkInfo: Hashable, Sendable {
  /// The sender's Ethernet address, where there is one.
  public var source: MACAddress?
  /// The receiver's Ethernet address, where there is one.
  public var destination: MACAddress?
  /// The first VLAN tag.
  public var outerTag: VLANTag?
  /// The second VLAN tag.
  public var innerTag: VLANTag?
  /// The interface, in a capture on `any`.
  public var interfaceIndex: UInt32?
  /// Whom the packet was for, in a capture on `any`.
  public var packetType: LinuxCookedHeader.PacketType?
}

/// Where the link layer ends and what begins there.
struct LinkLayer {
  var info = LinkInfo()
  /// The type of the payload: IPv4, IPv6, ARP or another.
  var type: EtherType
  var offset: Int

  @inline(__always)
  init(_ bytes: Span<UInt8>, linkType: LinkType) throws(WireError) {
    switch linkType {
    case .ethernet:
      let view = try EthernetView(bytes)
      info.source = view.source
      info.destination = view.destination
      info.outerTag = view.outerTag
      info.innerTag = view.innerTag
      type = view.type
      offset = view.headerLength
    case .linuxCooked, .linuxCooked2:
      let header = try LinuxCookedHeader(bytes, version: linkType == .linuxCooked ? .one : .two)
      info.source = header.address
      info.packetType = header.packetType
      if header.version == .two { info.interfaceIndex = header.interfaceIndex }
      type = header.type
      offset = header.length
      try skipTags(bytes)
    case .null:
      guard bytes.count >= 4 else { throw WireError(.null, at: 0, .truncated(needed: 4, had: bytes.count)) }
      type = try Self.nullType(bytes.load32(0))
      offset = 4
    case .rawIP:
      guard bytes.count >= 1 else { throw WireError(.ipv4, at: 0, .truncated(needed: 20, had: 0)) }
      type = bytes.load8(0) >> 4 == 6 ? .ipv6 : .ipv4
      offset = 0
    default:
      throw WireError(.null, at: 0, .unsupported(Int(linkType.rawValue)))
    }
  }

  /// libpcap puts the tags the kernel had taken off back behind the pseudo header.
  private mutating func skipTags(_ bytes: Span<UInt8>) throws(WireError) {
    while type.isVLANTag, info.innerTag == nil {
      guard bytes.count &- offset >= 4 else {
        throw WireError(.linuxCooked, at: offset, .truncated(needed: 4, had: bytes.count &- offset))
      }
      let tag = VLANTag(type: type, control: bytes.load16(offset))
      if info.outerTag == nil { info.outerTag = tag } else { info.innerTag = tag }
      type = EtherType(rawValue: bytes.load16(offset &+ 2))
      offset &+= 4
    }
  }

  /// AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24, 28 or 30 on BSD and Darwin.
  private static func nullType(_ family: UInt32) throws(WireError) -> EtherType {
    switch Swift.min(family, family.byteSwapped) {
    case 2: return .ipv4
    case 10, 24, 28, 30: return .ipv6
    case let other: throw WireError(.null, at: 0, .unsupported(Int(other)))
    }
  }
}
