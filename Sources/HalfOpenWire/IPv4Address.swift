// SPDX-License-Identifier: Apache-2.0

/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable {
  /// The address as a number in host byte order: `192.0.2.1` is `0xc000_0201`.
  public var rawValue: UInt32

  /// The address whose number in host byte order is `rawValue`.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The address `a.b.c.d`.
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
  }

  /// `0.0.0.0`.
  public static let unspecified = IPv4Address(rawValue: 0)
  /// `127.0.0.1`.
  public static let loopback = IPv4Address(127, 0, 0, 1)
  /// `255.255.255.255`.
  public static let broadcast = IPv4Address(rawValue: .max)

  /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
  public var isLoopback: Bool { rawValue >> 24 == 127 }
  /// 224.0.0.0/4 (RFC 5771).
  public var isMulticast: Bool { rawValue >> 28 == 0xe }
  /// `0.0.0.0`.
  public var isUnspecified: Bool { rawValue == 0 }
  /// 169.254.0.0/16 (RFC 3927).
  public var isLinkLocal: Bool { rawValue >> 16 == 0xa9fe }
  /// `255.255.255.255` (RFC 919).
  public var isBroadcast: Bool { rawValue == .max }

  /// The four bytes in the order in which they are written and sent.
  public var bytes: [4 of UInt8] {
    [
      UInt8(truncatingIfNeeded: rawValue >> 24), UInt8(truncatingIfNeeded: rawValue >> 16),
      UInt8(truncatingIfNeeded: rawValue >> 8), UInt8(truncatingIfNeeded: rawValue),
    ]
  }
}

extension IPv4Address: LosslessStringConvertible {
  /// Parses four decimal numbers of 0 to 255 between dots.
  ///
  /// Nothing else is an address: a leading zero is refused, since `010` is 8 to `inet_aton` and 10 to `inet_pton` of
  /// other systems, and so are the short forms `127.1` and `0x7f000001`.
  public init?(_ text: some StringProtocol) {
    self.init(utf8: text.utf8)
  }

  init?(utf8: some Sequence<UInt8>) {
    var value: UInt32 = 0
    var octet: UInt32 = 0
    var digits = 0
    var octets = 0
    for byte in utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        guard digits == 0 || octet != 0 else { return nil }
        octet = octet &* 10 &+ UInt32(byte &- UInt8(ascii: "0"))
        digits &+= 1
        guard octet <= 255 else { return nil }
      case UInt8(ascii: "."):
        guard digits > 0, octets < 3 else { return nil }
        value = value << 8 | octet
        octets &+= 1
        octet = 0
        digits = 0
      default:
        return nil
      }
    }
    guard octets == 3, digits > 0 else { return nil }
    rawValue = value << 8 | octet
  }

  /// Dotted decimal.
  public var description: String {
    "\(rawValue >> 24).\(rawValue >> 16 & 0xff).\(rawValue >> 8 & 0xff).\(rawValue & 0xff)"
  }
}

extension IPv4Address: Comparable {
  /// Numeric order.
  public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.rawValue < right.rawValue }
}
