// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import HalfOpenWire

  /// Bytes of packets as the filter tests need them: right where a filter looks, zero elsewhere.
  enum Packets {
    struct Flags {
      static let syn: UInt8 = 0x02
      static let rst: UInt8 = 0x04
      static let ack: UInt8 = 0x10
      static let fin: UInt8 = 0x01
    }

    /// The first 20 bytes of a TCP segment.
    static func tcp(from source: UInt16, to destination: UInt16, flags: UInt8) -> [UInt8] {
      var segment = [UInt8](repeating: 0, count: 20)
      segment.replaceSubrange(0..<4, with: source.bytes + destination.bytes)
      segment[12] = 5 << 4
      segment[13] = flags
      return segment
    }

    /// An ICMP or ICMPv6 message of 36 bytes.
    static func icmp(_ type: UInt8) -> [UInt8] { [type] + [UInt8](repeating: 0, count: 35) }

    /// - Parameter options: bytes of IP options, a multiple of four.
    static func ipv4(
      to destination: String, protocol number: UInt8, options: Int = 0, fragment: UInt16 = 0, _ payload: [UInt8]
    ) -> [UInt8] {
      var header: [UInt8] = [0x45 + UInt8(options / 4), 0] + UInt16(20 + options + payload.count).bytes + [0, 0]
      header += fragment.bytes + [64, number, 0, 0] + address("198.51.100.9") + address(destination)
      return header + [UInt8](repeating: 1, count: options) + payload
    }

    static func ipv6(to destination: String, next: UInt8, _ payload: [UInt8]) -> [UInt8] {
      [0x60, 0, 0, 0] + UInt16(payload.count).bytes + [next, 64] + address("2001:db8:9::9") + address(destination)
        + payload
    }

    static func ethernet(_ packet: [UInt8], tag: Bool = false) -> [UInt8] {
      [UInt8](repeating: 2, count: 12) + (tag ? [0x81, 0, 0, 7] : []) + etherType(packet) + packet
    }

    /// struct sll2_header: protocol, reserved, interface, ARPHRD, packet type, address length, address.
    static func cooked2(_ packet: [UInt8]) -> [UInt8] {
      etherType(packet) + [0, 0, 0, 0, 0, 3, 0, 1, 0, 6] + [UInt8](repeating: 0, count: 8) + packet
    }

    private static func etherType(_ packet: [UInt8]) -> [UInt8] { packet[0] >> 4 == 4 ? [0x08, 0x00] : [0x86, 0xdd] }

    static func address(_ text: String) -> [UInt8] {
      switch IPAddress(text) {
      case .v4(let v4): return UInt16(v4.rawValue >> 16).bytes + UInt16(v4.rawValue & 0xffff).bytes
      case .v6(let v6):
        return [v6.high, v6.low].flatMap { word in (0..<8).map { UInt8(word >> (56 - 8 * $0) & 0xff) } }
      case nil: preconditionFailure(text)
      }
    }
  }

  extension UInt16 {
    var bytes: [UInt8] { [UInt8(self >> 8), UInt8(self & 0xff)] }
  }
#endif
