// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

extension FuzzTarget {
  /// Real packets, cut to where the target begins to read.
  var seeds: [[UInt8]] {
    let packets = Sample.packets
    func payloads(_ family: UInt8, _ protocol: UInt8) -> [[UInt8]] {
      packets.filter { $0[0] >> 4 == family && $0[family == 4 ? 9 : 6] == `protocol` }
        .map { Array($0.dropFirst(family == 4 ? 20 : 40)) }
    }
    let arp = Sample.arp(ARPPacket(.request, senderMAC: macA, senderIP: v4a, targetIP: v4b))
    let tags = [VLANTag(type: .serviceVLAN, control: 7), VLANTag(control: 100)]
    let frames =
      packets.prefix(3).flatMap { [Sample.ethernet($0), Sample.cooked($0, version: .one)] }
      + packets.prefix(2).flatMap { [Sample.cooked($0, version: .two), [2, 0, 0, 0] + $0] }
      + [Sample.ethernet(arp, type: .arp), Sample.ethernet(packets[0], type: .ipv4, tags: tags)] + packets
    switch self {
    case .ethernet: return frames.prefix(1) + [Sample.ethernet(packets[0], type: .ipv4, tags: tags)]
    case .cooked: return [Sample.cooked(packets[0], version: .one), Sample.cooked(packets[1], version: .two)]
    case .arp: return [arp]
    case .ipv4: return packets.filter { $0[0] >> 4 == 4 }
    case .ipv6: return packets.filter { $0[0] >> 4 == 6 }
    case .tcp: return payloads(4, 6) + payloads(6, 6)
    case .tcpoptions: return (payloads(4, 6) + payloads(6, 6)).map { Array($0.dropFirst(20)) }
    case .icmpv4: return payloads(4, 1)
    case .icmpv6: return payloads(6, 58)
    case .ndp: return payloads(6, 58).filter { $0[0] == 135 || $0[0] == 136 }
    case .quoted: return packets
    case .frame, .describe: return frames
    case .addresses:
      return [
        "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8",
        "fe80::1234:5678:9abc:def0", "02:00:00:00:00:01", "0123456789abcdef",
      ].map { Array($0.utf8) }
    }
  }
}
