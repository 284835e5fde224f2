// SPDX-License-Identifier: Apache-2.0

/// A 48-bit link-layer address (EUI-48) as Ethernet uses it.
public struct MACAddress: Hashable, Sendable {
  /// The address as a number, its first byte in bits 40 to 47. The upper 16 bits are zero.
  public let rawValue: UInt64

  /// The address in the lower 48 bits of `rawValue`; the upper 16 are dropped.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue & 0xffff_ffff_ffff
  }

  /// The address `a:b:c:d:e:f`.
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
    let head = UInt64(a) << 40 | UInt64(b) << 32 | UInt64(c) << 24
    rawValue = head | UInt64(d) << 16 | UInt64(e) << 8 | UInt64(f)
  }

  /// `00:00:00:00:00:00`, which stands for "unknown" in ARP requests.
  public static let zero = MACAddress(rawValue: 0)
  /// `ff:ff:ff:ff:ff:ff`.
  public static let broadcast = MACAddress(rawValue: 0xffff_ffff_ffff)

  /// The address of all nodes on the link.
  public var isBroadcast: Bool { self == .broadcast }
  /// An address of a group, the broadcast address included (IEEE 802 individual/group bit).
  public var isMulticast: Bool { rawValue >> 40 & 1 == 1 }
  /// `00:00:00:00:00:00`.
  public var isZero: Bool { rawValue == 0 }

  /// The six bytes in the order in which they are written and sent.
  public var bytes: [6 of UInt8] {
    var bytes = [6 of UInt8](repeating: 0)
    for index in 0..<6 {
      bytes[index] = UInt8(truncatingIfNeeded: rawValue >> UInt64(40 &- 8 &* index))
    }
    return bytes
  }
}

extension MACAddress: LosslessStringConvertible {
  /// Parses six groups of exactly two hexadecimal digits, all separated by `:` or all by `-`.
  public init?(_ text: some StringProtocol) {
    var value: UInt64 = 0
    var position = 0
    var separator: UInt8?
    for byte in text.utf8 {
      guard position < 17 else { return nil }
      if position % 3 == 2 {
        guard byte == UInt8(ascii: ":") || byte == UInt8(ascii: "-"), byte == separator ?? byte else { return nil }
        separator = byte
      } else {
        guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
        value = value << 4 | UInt64(truncatingIfNeeded: digit)
      }
      position &+= 1
    }
    guard position == 17 else { return nil }
    self.init(rawValue: value)
  }

  /// Lower-case pairs between colons.
  public var description: String {
    var text = ""
    for index in 0..<6 {
      let byte = UInt8(truncatingIfNeeded: rawValue >> UInt64(40 &- 8 &* index))
      if index > 0 { text += ":" }
      if byte < 0x10 { text += "0" }
      text += String(byte, radix: 16)
    }
    return text
  }
}

extension MACAddress: Comparable {
  /// Numeric order.
  public static func < (left: MACAddress, right: MACAddress) -> Bool { left.rawValue < right.rawValue }
}
