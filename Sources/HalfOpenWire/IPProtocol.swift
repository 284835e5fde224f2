// SPDX-License-Identifier: Apache-2.0

/// A number of IANA's registry of Internet protocol numbers: the IPv4 protocol or an IPv6 next header.
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
  /// The number.
  public var rawValue: UInt8

  /// The protocol with this number.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// IPv6 hop-by-hop options.
  public static let hopByHop = IPProtocol(rawValue: 0)
  /// ICMP of IPv4.
  public static let icmpv4 = IPProtocol(rawValue: 1)
  /// TCP.
  public static let tcp = IPProtocol(rawValue: 6)
  /// UDP.
  public static let udp = IPProtocol(rawValue: 17)
  /// IPv6 routing header.
  public static let routing = IPProtocol(rawValue: 43)
  /// IPv6 fragment header.
  public static let fragment = IPProtocol(rawValue: 44)
  /// IPsec authentication header.
  public static let authentication = IPProtocol(rawValue: 51)
  /// ICMP of IPv6.
  public static let icmpv6 = IPProtocol(rawValue: 58)
  /// Nothing follows.
  public static let noNextHeader = IPProtocol(rawValue: 59)
  /// IPv6 destination options.
  public static let destinationOptions = IPProtocol(rawValue: 60)
  /// SCTP.
  public static let sctp = IPProtocol(rawValue: 132)
  /// DCCP.
  public static let dccp = IPProtocol(rawValue: 33)
}
