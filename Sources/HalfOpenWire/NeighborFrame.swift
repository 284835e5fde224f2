// SPDX-License-Identifier: Apache-2.0

/// Whole Ethernet frames that ask for the hardware address of an IP address, or tell it: ARP (RFC 826) for IPv4,
/// neighbour discovery (RFC 4861) for IPv6.
public enum NeighborFrame {
  /// The longest frame that is written here, in bytes.
  public static let capacity = 86

  /// Writes the question who has `target`, to all who may.
  ///
  /// - Parameters:
  ///   - target: whose hardware address is wanted.
  ///   - source: our address, of the same family; the answer goes there.
  ///   - mac: our hardware address.
  ///   - out: where the frame goes, from its first byte on, with room for ``capacity`` bytes.
  /// - Returns: the frame's length, 0 for two families.
  public static func emitQuestion(
    for target: IPAddress, from source: IPAddress, at mac: MACAddress, into out: inout MutableSpan<UInt8>
  ) -> Int {
    switch (target, source) {
    case (.v4(let target), .v4(let source)):
      return emit(
        ARPPacket(.request, senderMAC: mac, senderIP: source, targetIP: target), from: mac, to: .broadcast, into: &out)
    case (.v6(let target), .v6(let source)):
      let group = target.solicitedNodeMulticast
      return emit(
        NeighborMessage(.solicitation, target: target, linkAddress: mac), from: (source, mac),
        to: (group, MACAddress(multicast: group)), into: &out)
    default: return 0
    }
  }

  /// Writes the answer that `address` is at `mac`, to who asked. Who asks whether the address is free (RFC 5227, RFC 4862
  /// section 5.4) has no address yet: IPv6 then answers all nodes.
  ///
  /// - Parameters:
  ///   - address: what was asked for.
  ///   - mac: where it is.
  ///   - isRouter: IPv6: the sender is a router.
  ///   - asker: who asked, of the same family.
  ///   - askerMAC: the hardware address of who asked.
  ///   - out: where the frame goes, from its first byte on, with room for ``capacity`` bytes.
  /// - Returns: the frame's length, 0 for two families.
  public static func emitAnswer(
    that address: IPAddress, isAt mac: MACAddress, isRouter: Bool = false, to asker: IPAddress, at askerMAC: MACAddress,
    into out: inout MutableSpan<UInt8>
  ) -> Int {
    switch (address, asker) {
    case (.v4(let address), .v4(let asker)):
      return emit(
        ARPPacket(.reply, senderMAC: mac, senderIP: address, targetMAC: askerMAC, targetIP: asker), from: mac,
        to: askerMAC, into: &out)
    case (.v6(let address), .v6(let asker)):
      let answer = NeighborMessage(
        .advertisement, target: address, linkAddress: mac, isRouter: isRouter, isSolicited: !asker.isUnspecified,
        isOverride: true)
      let to = asker.isUnspecified ? (.allNodes, MACAddress(multicast: .allNodes)) : (asker, askerMAC)
      return emit(answer, from: (address, mac), to: to, into: &out)
    default: return 0
    }
  }

  private static func emit(
    _ packet: ARPPacket, from mac: MACAddress, to destination: MACAddress, into out: inout MutableSpan<UInt8>
  ) -> Int {
    let header = EthernetHeader(destination: destination, source: mac, type: .arp)
    header.emit(into: &out)
    packet.emit(into: &out, at: header.length)
    return header.length &+ packet.length
  }

  private static func emit(
    _ message: NeighborMessage, from source: (ip: IPv6Address, mac: MACAddress),
    to destination: (ip: IPv6Address, mac: MACAddress), into out: inout MutableSpan<UInt8>
  ) -> Int {
    let ethernet = EthernetHeader(destination: destination.mac, source: source.mac, type: .ipv6)
    ethernet.emit(into: &out)
    // A hop limit of 255 proves that the message came from the link (RFC 4861 section 7.1).
    let ip = IPv6Header(
      source: source.ip, destination: destination.ip, nextHeader: .icmpv6, payloadLength: message.length, hopLimit: 255)
    ip.emit(into: &out, at: ethernet.length)
    let start = ethernet.length &+ ip.length
    message.emit(into: &out, at: start, source: source.ip, destination: destination.ip)
    return start &+ message.length
  }
}

extension MACAddress {
  /// Where frames for an IPv6 multicast group go (RFC 2464 section 7).
  public init(multicast group: IPv6Address) {
    self.init(rawValue: 0x3333_0000_0000 | group.low & 0xffff_ffff)
  }
}
