// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  package import HalfOpenWire

  /// The text of the filter that lets through what may answer a probe, and as little else as possible.
  package struct ReplyFilter: Hashable, Sendable {
    /// Addresses of ours, as a prefix.
    package struct Prefix: Hashable, Sendable {
      package var address: IPAddress
      package var length: Int

      package init(_ address: IPAddress, length: Int) {
        self.address = address
        self.length = min(max(length, 0), address.bitWidth)
      }

      package init(_ address: IPAddress) { self.init(address, length: address.bitWidth) }
    }

    /// Where replies may come to. A family without a prefix gets no replies; with more than 16 prefixes, or none at all,
    /// every address passes, since a filter is run for every packet of the interface.
    package var addresses: [Prefix]
    /// Our source ports. With none every port passes. More than 8 ranges become 8 that cover them.
    package var ports: [ClosedRange<UInt16>]
    package var linkType: CaptureLinkType

    package init(addresses: [Prefix], ports: [ClosedRange<UInt16>], linkType: CaptureLinkType) {
      self.addresses = addresses
      self.ports = ports
      self.linkType = linkType
    }

    /// SYN-ACKs, RSTs and ICMP errors for us, in pcap-filter(7)'s language.
    package var text: String { onLink(either(ipv4, ipv6)) }

    /// RSTs from our ports, wherever they go: shows whether the kernel resets what it does not know.
    package var resets: String { onLink(outgoingResets) }

    /// Both in one filter.
    package var textWithResets: String { onLink(either(either(ipv4, ipv6), outgoingResets)) }

    private var outgoingResets: String? {
      let v4 = all(["ip", "tcp[13] & 4 != 0", portTerm("tcp[0:2]")])
      let v6 = all(["ip6", "ip6[6] = 6", "ip6[53] & 4 != 0", portTerm("ip6[40:2]")])
      return either(v4, v6)
    }

    /// `tcp[…]` and `icmp[…]` skip IPv4 options, and refuse fragments but the first.
    private var ipv4: String? {
      guard let address = addressTerm(.v4, "ip dst net") else { return nil }
      let segment = all(["(tcp[13] & 0x12 = 0x12 or tcp[13] & 4 != 0)", portTerm("tcp[2:2]")])
      // Unreachable, time exceeded, parameter problem (RFC 792). Not quench and redirect, which end nothing.
      let error = "icmp[0] = 3 or icmp[0] = 11 or icmp[0] = 12"
      return all(["ip", address, "((\(segment)) or \(error))"])
    }

    /// Offsets behind the fixed header. What stands behind an extension header is found in user space.
    private var ipv6: String? {
      guard let address = addressTerm(.v6, "ip6 dst net") else { return nil }
      let segment = all([
        "ip6[6] = 6", "(ip6[53] & 0x12 = 0x12 or ip6[53] & 4 != 0)", portTerm("ip6[42:2]"),
      ])
      // Unreachable, too big, time exceeded, parameter problem (RFC 4443).
      let error = "(ip6[6] = 58 and ip6[40] >= 1 and ip6[40] <= 4)"
      let extended = [0, 43, 44, 51, 60].map { "ip6[6] = \($0)" }.joined(separator: " or ")
      return all(["ip6", address, "((\(segment)) or \(error) or \(extended))"])
    }

    /// Empty for "any address", nil for none of this family.
    private func addressTerm(_ family: IPFamily, _ keyword: String) -> String? {
      guard !addresses.isEmpty else { return "" }
      let ours = addresses.filter { $0.address.family == family }
      guard !ours.isEmpty else { return nil }
      guard addresses.count <= 16, !ours.contains(where: { $0.length == 0 }) else { return "" }
      return "(" + ours.map { "\(keyword) \($0.network)/\($0.length)" }.joined(separator: " or ") + ")"
    }

    private func portTerm(_ field: String) -> String {
      guard !ports.isEmpty else { return "" }
      let terms = covering(ports, atMost: 8).map { range in
        range.count == 1
          ? "\(field) = \(range.lowerBound)" : "(\(field) >= \(range.lowerBound) and \(field) <= \(range.upperBound))"
      }
      return "(" + terms.joined(separator: " or ") + ")"
    }

    /// With and without an 802.1Q tag. `vlan` moves the offsets of all that stands behind it, so it comes last.
    private func onLink(_ text: String?) -> String {
      guard let text else { return "less 0" }  // Nothing is shorter than 1: an empty filter would let all through.
      return linkType == .ethernet ? "(\(text)) or (vlan and (\(text)))" : text
    }

    private func all(_ terms: [String]) -> String { terms.filter { !$0.isEmpty }.joined(separator: " and ") }

    private func either(_ a: String?, _ b: String?) -> String? {
      guard let a, let b else { return a ?? b }
      return "(\(a)) or (\(b))"
    }
  }

  extension ReplyFilter.Prefix {
    /// The address with zeros behind the prefix; libpcap refuses others.
    fileprivate var network: IPAddress {
      switch address {
      case .v4(let v4):
        return .v4(
          IPv4Address(rawValue: v4.rawValue & ~UInt32(truncatingIfNeeded: UInt64(UInt32.max) >> UInt64(length))))
      case .v6(let v6):
        // Smart shifts: 64 and more leave zero.
        let high = v6.high & ~(UInt64.max >> length)
        let low = v6.low & ~(UInt64.max >> max(0, length - 64))
        return .v6(IPv6Address(high: high, low: length <= 64 ? 0 : low))
      }
    }
  }

  /// Sorted ranges that hold all of `ranges`, at most `limit`: the smallest gaps are closed first.
  private func covering(_ ranges: [ClosedRange<UInt16>], atMost limit: Int) -> [ClosedRange<UInt16>] {
    var merged: [ClosedRange<UInt16>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    guard merged.count > limit else { return merged }
    let gaps = merged.indices.dropFirst().sorted { gap(merged, before: $0) > gap(merged, before: $1) }
    var (covering, start) = ([ClosedRange<UInt16>](), merged[0].lowerBound)
    for index in gaps.prefix(limit - 1).sorted() {
      covering.append(start...merged[index - 1].upperBound)
      start = merged[index].lowerBound
    }
    return covering + [start...merged[merged.count - 1].upperBound]
  }

  private func gap(_ ranges: [ClosedRange<UInt16>], before index: Int) -> UInt16 {
    ranges[index].lowerBound - ranges[index - 1].upperBound
  }
#endif
