// SPDX-License-Identifier: Apache-2.0

extension Describe {
  static func icmpv4(_ view: borrowing ICMPv4View, length: Int) -> String {
    "ICMP \(message(view)), length \(length)"
  }

  private static func message(_ view: borrowing ICMPv4View) -> String {
    let identifiers = "id \(view.rest >> 16), seq \(view.rest & 0xffff)"
    switch view.type {
    case ICMPv4Header.echoRequest: return "echo request, \(identifiers)"
    case ICMPv4Header.echoReply: return "echo reply, \(identifiers)"
    case ICMPv4Header.sourceQuench: return "source quench"
    case ICMPv4Header.timeExceeded:
      switch view.code {
      case 0: return "time exceeded in-transit"
      case 1: return "ip reassembly time exceeded"
      default: return "time exceeded-#\(view.code)"
      }
    case ICMPv4Header.parameterProblem:
      return view.code == 0 ? "parameter problem - octet \(view.rest >> 24)" : "parameter problem - code \(view.code)"
    case ICMPv4Header.destinationUnreachable:
      guard let quoted = try? QuotedPacket(view.body, family: .v4) else { return "destination unreachable [|icmp]" }
      return unreachable(view.code, quoted, mtu: view.rest & 0xffff)
    case ICMPv4Header.redirect:
      guard let quoted = try? QuotedPacket(view.body, family: .v4) else { return "redirect [|icmp]" }
      return redirect(view.code, quoted.destination, to: IPv4Address(rawValue: view.rest))
    default: return "type-#\(view.type)"
    }
  }

  private static func redirect(_ code: UInt8, _ destination: IPAddress, to gateway: IPv4Address) -> String {
    switch code {
    case 0: "redirect \(destination) to net \(gateway)"
    case 1: "redirect \(destination) to host \(gateway)"
    case 2: "redirect-tos \(destination) to net \(gateway)"
    case 3: "redirect-tos \(destination) to host \(gateway)"
    default: "redirect-#\(code) \(destination) to \(gateway)"
    }
  }

  /// The codes of RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1.
  private static func unreachable(_ code: UInt8, _ quoted: QuotedPacket, mtu: UInt32) -> String {
    let target = quoted.destination
    switch code {
    case 0: return "net \(target) unreachable"
    case 1: return "host \(target) unreachable"
    case 2: return "\(target) protocol \(quoted.protocol.rawValue) unreachable"
    case 3:
      switch quoted.protocol {
      case .tcp: return "\(target) tcp port \(quoted.destinationPort) unreachable"
      case .udp: return "\(target) udp port \(quoted.destinationPort) unreachable"
      case let other: return "\(target) protocol \(other.rawValue) port \(quoted.destinationPort) unreachable"
      }
    case 4: return "\(target) unreachable - need to frag" + (mtu == 0 ? "" : " (mtu \(mtu))")
    case 5: return "\(target) unreachable - source route failed"
    case 6: return "net \(target) unreachable - unknown"
    case 7: return "host \(target) unreachable - unknown"
    case 8: return "\(target) unreachable - source host isolated"
    case 9: return "net \(target) unreachable - admin prohibited"
    case 10: return "host \(target) unreachable - admin prohibited"
    case 11: return "net \(target) unreachable - tos prohibited"
    case 12: return "host \(target) unreachable - tos prohibited"
    case 13: return "host \(target) unreachable - admin prohibited filter"
    case 14: return "host \(target) unreachable - host precedence violation"
    case 15: return "host \(target) unreachable - precedence cutoff"
    default: return "\(target) unreachable - #\(code)"
    }
  }

  static func icmpv6(_ view: borrowing ICMPv6View, length: Int) -> String {
    "ICMP6, \(message(view)), length \(length)"
  }

  private static func message(_ view: borrowing ICMPv6View) -> String {
    let identifiers = "id \(view.rest >> 16), seq \(view.rest & 0xffff)"
    let quoted = try? QuotedPacket(view.body, family: .v6)
    let target = quoted.map { "\($0.destination)" } ?? "[|icmp6]"
    switch view.type {
    case ICMPv6Header.destinationUnreachable:
      return "destination unreachable, " + unreachable(view.code, quoted, target)
    case ICMPv6Header.packetTooBig: return "packet too big, mtu \(view.rest)"
    case ICMPv6Header.timeExceeded:
      let name = "time exceeded in-transit"
      switch view.code {
      case 0: return "\(name) for \(target)"
      case 1: return "\(name) (reassembly)"
      default: return "\(name), unknown code (\(view.code))"
      }
    case ICMPv6Header.parameterProblem:
      switch view.code {
      case 0: return "parameter problem, erroneous - octet \(view.rest)"
      case 1: return "parameter problem, next header - octet \(view.rest)"
      case 2: return "parameter problem, option - octet \(view.rest)"
      case 3: return "parameter problem, incomplete header chain - octet \(view.rest)"
      default: return "parameter problem, code-#\(view.code)"
      }
    case ICMPv6Header.echoRequest: return "echo request, \(identifiers)"
    case ICMPv6Header.echoReply: return "echo reply, \(identifiers)"
    case ICMPv6Header.neighborSolicitation: return "neighbor solicitation, who has " + neighbor(view)
    case ICMPv6Header.neighborAdvertisement: return "neighbor advertisement, tgt is " + neighbor(view)
    case 133: return "router solicitation"
    case 134: return "router advertisement"
    default: return "unknown icmp6 type (\(view.type))"
    }
  }

  private static func neighbor(_ view: borrowing ICMPv6View) -> String {
    guard view.bytes.count >= 24 else { return "[|icmp6]" }
    return "\(view.bytes.loadIPv6(8))"
  }

  /// The codes of RFC 4443 section 3.1.
  private static func unreachable(_ code: UInt8, _ quoted: QuotedPacket?, _ target: String) -> String {
    switch code {
    case 0: return "unreachable route \(target)"
    case 1: return " unreachable prohibited \(target)"
    case 2: return "beyond scope \(target), source address \(quoted.map { "\($0.source)" } ?? "?")"
    case 3: return "unreachable address \(target)"
    case 4:
      guard let quoted, quoted.depth >= .ports else { return "unreachable port [|icmp6]" }
      switch quoted.protocol {
      case .tcp: return "unreachable port, \(target) tcp port \(quoted.destinationPort)"
      case .udp: return "unreachable port, \(target) udp port \(quoted.destinationPort)"
      case let other:
        return "unreachable port, \(target) protocol \(other.rawValue) port \(quoted.destinationPort) unreachable"
      }
    default: return "unknown unreach code (\(code))"
    }
  }
}
