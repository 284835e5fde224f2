// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// Addresses that no public host has: a sweep leaves them out unless a target lies inside the range.
///
/// What the IANA special-purpose registries (RFC 6890, as RFC 8190 amends it) do not call globally reachable, with
/// multicast (RFC 5771, RFC 4291) and limited broadcast (RFC 919). Blocks within a listed one are not listed again,
/// so that who names 192.0.0.0/24 has all of it; the broadcast address is, so that nobody probes it by 240.0.0.0/4.
package struct ReservedRange: Hashable, Sendable {
  package let range: AddressRange
  /// What it is for, as in `private use`.
  package let purpose: String

  private init?(_ prefix: String, _ purpose: String) {
    guard let range = try? AddressRange(prefix) else { return nil }
    self.range = range
    self.purpose = purpose
  }

  /// All of them, IPv4 first.
  package static let all: [ReservedRange] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay anycast, deprecated"),
    ("192.168.0.0/16", "private use"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("255.255.255.255", "limited broadcast"),
    ("::", "unspecified address"),
    ("::1", "loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("64:ff9b:1::/48", "local-use IPv4/IPv6 translation"),
    ("100::/64", "discard-only"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("2001::/23", "IETF protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
  ].compactMap(ReservedRange.init)
}
