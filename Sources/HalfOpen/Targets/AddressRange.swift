// SPDX-License-Identifier: Apache-2.0

package import HalfOpenWire

/// Addresses of one family from one to another, both ends included.
package enum AddressRange: Hashable, Sendable {
  case v4(ClosedRange<UInt32>)
  case v6(ClosedRange<UInt128>)

  /// A single address.
  package init(_ address: IPAddress) {
    switch address {
    case .v4(let address): self = .v4(address.rawValue...address.rawValue)
    case .v6(let address): self = .v6(address.number...address.number)
    }
  }

  package var family: IPFamily { first.family }

  /// All addresses with the first `length` bits of `address`; nil where the family has fewer bits.
  package init?(_ address: IPAddress, prefixLength length: Int) {
    guard (0...address.bitWidth).contains(length) else { return nil }
    switch address {
    case .v4(let address): self = .v4(Self.block(address.rawValue, hostBits: 32 - length))
    case .v6(let address): self = .v6(Self.block(address.number, hostBits: 128 - length))
    }
  }

  /// Nil for two families, and for a last address before the first.
  package init?(from first: IPAddress, through last: IPAddress) {
    switch (first, last) {
    case (.v4(let first), .v4(let last)) where first <= last: self = .v4(first.rawValue...last.rawValue)
    case (.v6(let first), .v6(let last)) where first <= last: self = .v6(first.number...last.number)
    default: return nil
    }
  }

  private static func block<Bound: FixedWidthInteger>(_ address: Bound, hostBits: Int) -> ClosedRange<Bound> {
    // A shift by the whole width gives zero: the block is then everything.
    let hosts: Bound = ~(~0 << hostBits)
    return (address & ~hosts)...(address | hosts)
  }

  package var first: IPAddress {
    switch self {
    case .v4(let range): .v4(IPv4Address(rawValue: range.lowerBound))
    case .v6(let range): .v6(IPv6Address(number: range.lowerBound))
    }
  }

  package var last: IPAddress {
    switch self {
    case .v4(let range): .v4(IPv4Address(rawValue: range.upperBound))
    case .v6(let range): .v6(IPv6Address(number: range.upperBound))
    }
  }

  /// No address lies outside of `other`.
  package func isInside(_ other: AddressRange) -> Bool {
    switch (self, other) {
    case (.v4(let range), .v4(let other)): other.encloses(range)
    case (.v6(let range), .v6(let other)): other.encloses(range)
    default: false
    }
  }
}

extension AddressRange {
  /// Reads `192.0.2.1`, `192.0.2.0/24`, `192.0.2.1-192.0.2.9` and the same of IPv6, without zone or brackets. Bits of a
  /// prefix beyond its length do not count: `192.0.2.7/24` is `192.0.2.0/24`.
  ///
  /// Nil for what does not start with an address: that may be a name.
  /// - Throws: `InputError` for a text that starts with an address and goes on wrong.
  package init?(_ text: some StringProtocol) throws(InputError) {
    if let address = IPAddress(text) {
      self.init(address)
      return
    }
    guard let mark = text.firstIndex(where: { $0 == "/" || $0 == "-" }), let head = IPAddress(text[..<mark]) else {
      return nil
    }
    let tail = text[text.index(after: mark)...]
    let offset = text[...mark].utf8.count
    if text[mark] == "/" {
      let digits = tail.utf8
      guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(tail),
        let range = AddressRange(head, prefixLength: length)
      else {
        throw InputError(
          offset: offset, what: "prefix length '\(tail)' in '\(text)'",
          advice: "use 0 to \(head.bitWidth), as in \(head)/\(head.family == .v4 ? 24 : 120)")
      }
      self = range
    } else {
      guard let last = IPAddress(tail) else {
        throw InputError(
          offset: offset, what: "end '\(tail)' of the range '\(text)'",
          advice: "write both addresses in full, as in 192.0.2.1-192.0.2.50")
      }
      guard let range = AddressRange(from: head, through: last) else {
        let advice = head.family == last.family ? "put the lower address first" : "use two addresses of one family"
        throw InputError(what: "range '\(text)'", advice: advice)
      }
      self = range
    }
  }
}

extension AddressRange: CustomStringConvertible {
  /// An address, a prefix where it is one, else both ends.
  package var description: String {
    let length: Int? =
      switch self {
      case .v4(let range): Self.prefixLength(range)
      case .v6(let range): Self.prefixLength(range)
      }
    guard let length else { return "\(first)-\(last)" }
    return length == first.bitWidth ? "\(first)" : "\(first)/\(length)"
  }

  private static func prefixLength<Bound: FixedWidthInteger>(_ range: ClosedRange<Bound>) -> Int? {
    let hosts = range.lowerBound ^ range.upperBound
    guard hosts & (hosts &+ 1) == 0, range.lowerBound & hosts == 0 else { return nil }
    return hosts.leadingZeroBitCount
  }
}

extension IPv6Address {
  /// The address as a number.
  package var number: UInt128 { UInt128(high) << 64 | UInt128(low) }

  /// The address of a number.
  package init(number: UInt128) {
    self.init(high: UInt64(truncatingIfNeeded: number >> 64), low: UInt64(truncatingIfNeeded: number))
  }
}
