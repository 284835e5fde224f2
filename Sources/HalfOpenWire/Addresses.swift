// SPDX-License-Identifier: Apache-2.0

/// The version of the Internet Protocol an address or packet belongs to.
public enum IPFamily: Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// IPv4 (RFC 791).
  case v4
  /// IPv6 (RFC 8200).
  case v6

  /// `IPv4` or `IPv6`.
  public var description: String { self == .v4 ? "IPv4" : "IPv6" }
}

/// An address of either family. IPv4 sorts before IPv6.
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) stays `.v6`: what it means is the caller's decision.
public enum IPAddress: Hashable, Sendable {
  /// An IPv4 address.
  case v4(IPv4Address)
  /// An IPv6 address, without its zone.
  case v6(IPv6Address)

  /// Which protocol the address belongs to.
  public var family: IPFamily {
    switch self {
    case .v4: .v4
    case .v6: .v6
    }
  }

  /// 32 or 128: the longest prefix of this family.
  public var bitWidth: Int { family == .v4 ? 32 : 128 }

  /// 127.0.0.0/8, or `::1`.
  public var isLoopback: Bool {
    switch self {
    case .v4(let address): address.isLoopback
    case .v6(let address): address.isLoopback
    }
  }

  /// 224.0.0.0/4, or ff00::/8.
  public var isMulticast: Bool {
    switch self {
    case .v4(let address): address.isMulticast
    case .v6(let address): address.isMulticast
    }
  }

  /// `0.0.0.0`, or `::`.
  public var isUnspecified: Bool {
    switch self {
    case .v4(let address): address.isUnspecified
    case .v6(let address): address.isUnspecified
    }
  }

  /// 169.254.0.0/16, or fe80::/10.
  public var isLinkLocal: Bool {
    switch self {
    case .v4(let address): address.isLinkLocal
    case .v6(let address): address.isLinkLocal
    }
  }
}

extension IPAddress: LosslessStringConvertible {
  /// Parses what ``IPv4Address/init(_:)`` or ``IPv6Address/init(_:)`` accepts; no brackets, no zone, no prefix length.
  public init?(_ text: some StringProtocol) {
    if let address = IPv4Address(text) {
      self = .v4(address)
    } else if let address = IPv6Address(text) {
      self = .v6(address)
    } else {
      return nil
    }
  }

  /// The canonical text of the address.
  public var description: String {
    switch self {
    case .v4(let address): address.description
    case .v6(let address): address.description
    }
  }
}

extension IPAddress: Comparable {
  /// Numeric order, IPv4 before IPv6.
  public static func < (left: IPAddress, right: IPAddress) -> Bool {
    switch (left, right) {
    case (.v4(let left), .v4(let right)): left < right
    case (.v6(let left), .v6(let right)): left < right
    case (.v4, .v6): true
    case (.v6, .v4): false
    }
  }
}
