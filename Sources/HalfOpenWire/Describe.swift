// SPDX-License-Identifier: Apache-2.0

/// Packets in the words of tcpdump.
public enum Describe {
  /// The line `tcpdump -nn -S -t` 4.99 prints for a frame, without the link layer, and without what tcpdump makes of
  /// data behind TCP and UDP headers on well-known ports:
  /// `IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 1, win 64240, options [mss 1460], length 0`.
  ///
  /// A packet that does not parse is described as far as it does, with the reason in brackets.
  public static func line(_ bytes: Span<UInt8>, linkType: LinkType) -> String {
    do {
      let layer = try LinkLayer(bytes, linkType: linkType)
      let packet = bytes.slice(layer.offset)
      switch layer.type {
      case .ipv4: return try ipv4(packet)
      case .ipv6: return try ipv6(packet)
      case .arp: return arp(try ARPPacket(packet), length: packet.count)
      default: return "ethertype 0x\(hexadecimal(UInt64(layer.type.rawValue), digits: 4)), length \(packet.count)"
      }
    } catch {
      return "[\(error)]"
    }
  }

  private static func ipv4(_ bytes: Span<UInt8>) throws(WireError) -> String {
    let view = try IPv4View(bytes)
    let missing = view.totalLength &- bytes.count
    let start = "IP " + (missing > 0 ? "truncated-ip - \(missing) bytes missing! " : "")
    guard view.fragmentOffset == 0 else {
      return "\(start)\(view.source) > \(view.destination): ip-proto-\(view.protocol.rawValue)"
    }
    let addresses = Addresses(source: "\(view.source)", destination: "\(view.destination)")
    return start + transport(view.payload, of: view.protocol, length: view.payloadLength, addresses, family: .v4)
  }

  private static func ipv6(_ bytes: Span<UInt8>) throws(WireError) -> String {
    let view = try IPv6View(bytes)
    let whole = 40 &+ view.payloadLength
    let missing = whole &- bytes.count
    let start = "IP6 " + (missing > 0 ? "truncated-ip6 - \(missing) bytes missing!" : "")
    let addresses = Addresses(source: "\(view.source)", destination: "\(view.destination)")
    let upper: IPv6View.UpperLayer
    do {
      upper = try view.upperLayer()
    } catch {
      return "\(start)\(addresses.source) > \(addresses.destination): [\(error)]"
    }
    guard upper.offset > 40 else {
      return start + transport(view.payload, of: upper.protocol, length: view.payloadLength, addresses, family: .v6)
    }
    let headers = "\(start)\(addresses.source) > \(addresses.destination): " + extensions(view, upTo: upper)
    guard upper.fragmentOffset == 0 else { return headers }
    let segment = bytes.slice(upper.offset, whole)
    // Behind extension headers tcpdump prints ports without addresses.
    return headers + transport(segment, of: upper.protocol, length: whole &- upper.offset, nil, family: .v6)
  }

  private static func extensions(_ view: borrowing IPv6View, upTo upper: IPv6View.UpperLayer) -> String {
    var text = ""
    var header = view.nextHeader
    var offset = 40
    while offset < upper.offset {
      let bytes = view.bytes
      let length = Int(bytes.load8(offset &+ 1))
      let start = offset
      offset &+= header == .authentication ? (length &+ 2) &* 4 : header == .fragment ? 8 : (length &+ 1) &* 8
      switch header {
      case .hopByHop:
        text += "HBH "
      case .destinationOptions:
        text += "DSTOPT "
      case .routing:
        text += "srcrt (len=\(length), type=\(bytes.load8(start &+ 2)), segleft=\(bytes.load8(start &+ 3))) "
      case .fragment:
        let fragmentOffset = bytes.load16(start &+ 2) & 0xfff8
        text += "frag (\(fragmentOffset)|\(40 &+ view.payloadLength &- start &- 8))"
        if fragmentOffset == 0 { text += " " }
      default:
        let parameters = bytes.load32(start &+ 4)
        text += "AH(spi=0x\(hexadecimal(UInt64(parameters), digits: 8)),seq=0x"
        text += String(start &+ 12 <= bytes.count ? bytes.load32(start &+ 8) : 0, radix: 16) + "): "
      }
      header = IPProtocol(rawValue: bytes.load8(start))
    }
    return text
  }

  /// How a line begins, unless extension headers have already begun it.
  struct Addresses {
    var source: String
    var destination: String
  }

  private static func transport(
    _ bytes: Span<UInt8>, of protocol: IPProtocol, length: Int, _ addresses: Addresses?, family: IPFamily
  ) -> String {
    let pair = addresses.map { "\($0.source) > \($0.destination): " } ?? ""
    do {
      switch (`protocol`, family) {
      case (.tcp, _):
        let view = try TCPView(bytes)
        return ports(view.sourcePort, view.destinationPort, addresses) + tcp(view, length: length &- view.headerLength)
      case (.udp, _):
        guard bytes.count >= 8 else { return pair + "UDP, length \(length)" }
        return ports(bytes.load16(0), bytes.load16(2), addresses) + "UDP, length \(Swift.max(0, length &- 8))"
      case (.icmpv4, .v4):
        return pair + icmpv4(try ICMPv4View(bytes), length: length)
      case (.icmpv6, .v6):
        return pair + icmpv6(try ICMPv6View(bytes), length: length)
      case (.noNextHeader, _):
        return pair + "no next header"
      default:
        return pair + " ip-proto-\(`protocol`.rawValue) \(length)"
      }
    } catch {
      return pair + "[\(error)]"
    }
  }

  private static func ports(_ source: UInt16, _ destination: UInt16, _ addresses: Addresses?) -> String {
    guard let addresses else { return "\(source) > \(destination): " }
    return "\(addresses.source).\(source) > \(addresses.destination).\(destination): "
  }

  private static func arp(_ packet: ARPPacket, length: Int) -> String {
    switch packet.operation {
    case .request:
      let known = packet.targetMAC.isZero ? "" : " (\(packet.targetMAC))"
      return "ARP, Request who-has \(packet.targetIP)\(known) tell \(packet.senderIP), length \(length)"
    case .reply:
      return "ARP, Reply \(packet.senderIP) is-at \(packet.senderMAC), length \(length)"
    default:
      return "ARP, Unknown (\(packet.operation.rawValue)), length \(length)"
    }
  }

  static func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: Swift.max(0, digits &- text.utf8.count)) + text
  }
}
