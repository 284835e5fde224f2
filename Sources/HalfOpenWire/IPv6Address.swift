// SPDX-License-Identifier: Apache-2.0

/// An IPv6 address, without a zone.
public struct IPv6Address: Hashable, Sendable {
  /// The first eight bytes as a number in host byte order: the routing prefix and subnet.
  public var high: UInt64
  /// The last eight bytes as a number in host byte order: the interface identifier.
  public var low: UInt64

  /// The address with these halves, in host byte order.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The address of sixteen bytes in the order in which they are sent.
  public init(bytes: [16 of UInt8]) {
    high = 0
    low = 0
    for index in 0..<8 {
      high = high << 8 | UInt64(bytes[index])
      low = low << 8 | UInt64(bytes[index &+ 8])
    }
  }

  /// The IPv4-mapped address `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
  public init(mapping address: IPv4Address) {
    self.init(high: 0, low: 0xffff_0000_0000 | UInt64(address.rawValue))
  }

  /// `::`.
  public static let unspecified = IPv6Address(high: 0, low: 0)
  /// `::1`.
  public static let loopback = IPv6Address(high: 0, low: 1)
  /// `ff02::1`, the group of all nodes on the link.
  public static let allNodes = IPv6Address(high: 0xff02 << 48, low: 1)

  /// `::1`.
  public var isLoopback: Bool { high == 0 && low == 1 }
  /// ff00::/8.
  public var isMulticast: Bool { high >> 56 == 0xff }
  /// `::`.
  public var isUnspecified: Bool { high == 0 && low == 0 }
  /// fe80::/10: needs a zone before it can be reached.
  public var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }

  /// The IPv4 address within an IPv4-mapped one (::ffff:0:0/96), else nil.
  public var mappedIPv4: IPv4Address? {
    guard high == 0, low >> 32 == 0xffff else { return nil }
    return IPv4Address(rawValue: UInt32(truncatingIfNeeded: low))
  }

  /// ff02::1:ffXX:XXXX, the group in which a node with this address listens for neighbour solicitations
  /// (RFC 4291 section 2.7.1).
  public var solicitedNodeMulticast: IPv6Address {
    IPv6Address(high: 0xff02_0000_0000_0000, low: 0x1_ff00_0000 | low & 0xff_ffff)
  }

  /// The sixteen bytes in the order in which they are sent.
  public var bytes: [16 of UInt8] {
    var bytes = [16 of UInt8](repeating: 0)
    for index in 0..<8 {
      let shift = UInt64(56 &- 8 &* index)
      bytes[index] = UInt8(truncatingIfNeeded: high >> shift)
      bytes[index &+ 8] = UInt8(truncatingIfNeeded: low >> shift)
    }
    return bytes
  }

  /// The 16-bit group at `index`, 0 to 7, in host byte order.
  func group(_ index: Int) -> UInt16 {
    let half = index < 4 ? high : low
    return UInt16(truncatingIfNeeded: half >> UInt64(48 &- 16 &* (index & 3)))
  }
}

extension IPv6Address: LosslessStringConvertible {
  /// Parses the forms of RFC 4291 section 2.2: eight groups of one to four hexadecimal digits, `::` once for one or
  /// more groups of zeros, and an IPv4 address in place of the last two. No zone, brackets or prefix length.
  public init?(_ text: some StringProtocol) {
    var groups = [8 of UInt16](repeating: 0)
    var count = 0
    var gap: Int?
    var rest = text.utf8[...]
    if rest.starts(with: "::".utf8) {
      gap = 0
      rest = rest.dropFirst(2)
    }
    var needsGroup = gap == nil
    while needsGroup || !rest.isEmpty {
      let part = rest.prefix { $0 != UInt8(ascii: ":") }
      if part.contains(UInt8(ascii: ".")) {
        guard count <= 6, part.endIndex == rest.endIndex, let tail = IPv4Address(utf8: part) else { return nil }
        groups[count] = UInt16(truncatingIfNeeded: tail.rawValue >> 16)
        groups[count &+ 1] = UInt16(truncatingIfNeeded: tail.rawValue)
        count &+= 2
        break
      }
      guard count < 8, let group = Self.hexadecimal(part) else { return nil }
      groups[count] = group
      count &+= 1
      rest = rest[part.endIndex...]
      needsGroup = false
      guard !rest.isEmpty else { break }
      if rest.starts(with: "::".utf8) {
        guard gap == nil else { return nil }
        gap = count
        rest = rest.dropFirst(2)
      } else {
        rest = rest.dropFirst()
        needsGroup = true
      }
    }
    guard gap == nil ? count == 8 : count < 8 else { return nil }
    self.init(high: 0, low: 0)
    let zeros = 8 &- count
    for index in 0..<8 {
      var value: UInt16 = 0
      if index < gap ?? 8 {
        value = groups[index]
      } else if index >= (gap ?? 8) &+ zeros {
        value = groups[index &- zeros]
      }
      if index < 4 { high = high << 16 | UInt64(value) } else { low = low << 16 | UInt64(value) }
    }
  }

  private static func hexadecimal(_ part: some Sequence<UInt8>) -> UInt16? {
    var value: UInt32 = 0
    var digits = 0
    for byte in part {
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, digits < 4 else { return nil }
      value = value << 4 | UInt32(truncatingIfNeeded: digit)
      digits &+= 1
    }
    return digits == 0 ? nil : UInt16(truncatingIfNeeded: value)
  }

  /// The canonical text of RFC 5952: lower case, no leading zeros, `::` for the first of the longest runs of two or more
  /// zero groups. An IPv4-mapped or IPv4-compatible address ends in dotted decimal, as `inet_ntop` and tcpdump print it.
  public var description: String {
    let zeros = longestZeroRun
    if high == 0, zeros == 0..<6 || mappedIPv4 != nil {
      let tail = IPv4Address(rawValue: UInt32(truncatingIfNeeded: low))
      return mappedIPv4 == nil ? "::\(tail)" : "::ffff:\(tail)"
    }
    var text = ""
    var index = 0
    while index < 8 {
      if index == zeros.lowerBound, !zeros.isEmpty {
        text += "::"
        index = zeros.upperBound
        continue
      }
      if index > 0, index != zeros.upperBound || zeros.isEmpty { text += ":" }
      text += String(group(index), radix: 16)
      index &+= 1
    }
    return text
  }

  /// The first of the longest runs of zero groups, empty if none has two groups.
  private var longestZeroRun: Range<Int> {
    var best = 0..<0
    var start = 0
    for index in 0...8 where index == 8 || group(index) != 0 {
      if index &- start > Swift.max(best.count, 1) { best = start..<index }
      start = index &+ 1
    }
    return best
  }
}

extension IPv6Address: Comparable {
  /// Numeric order.
  public static func < (left: IPv6Address, right: IPv6Address) -> Bool {
    left.high == right.high ? left.low < right.low : left.high < right.high
  }
}
