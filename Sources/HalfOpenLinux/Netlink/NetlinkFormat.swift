// SPDX-License-Identifier: Apache-2.0

import Glibc
package import HalfOpenWire

/// What is wrong with bytes that should be netlink messages.
package struct NetlinkFormatError: Error, Hashable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The bytes end before the message, header or attribute does.
    case truncated
    /// A length field smaller than its own header.
    case badLength
    /// An address whose size does not fit its family.
    case badAddress
  }

  package let code: Code
  /// Where in the span it was found, in bytes.
  package let offset: Int

  package init(_ code: Code, at offset: Int) {
    self.code = code
    self.offset = offset
  }

  package var description: String { "netlink message \(code) at byte \(offset)" }
}

/// The fixed header of every message: `struct nlmsghdr` (netlink(7)).
package struct NetlinkHeader: Hashable, Sendable {
  package static let size = 16

  package var type: UInt16
  package var flags: UInt16
  package var sequence: UInt32
  /// The socket the kernel answers. See `NetlinkSocket.portID`.
  package var port: UInt32

  package init(type: UInt16, flags: UInt16, sequence: UInt32, port: UInt32) {
    self.type = type
    self.flags = flags
    self.sequence = sequence
    self.port = port
  }
}

extension Span<UInt8> {
  /// Calls `body` with each message of a datagram, in order.
  /// - Throws: `NetlinkFormatError` at the first message that is not whole; those before it have been handed out.
  package func forEachNetlinkMessage(
    _ body: (NetlinkHeader, Span<UInt8>) throws(NetlinkFormatError) -> Void
  ) throws(NetlinkFormatError) {
    var offset = 0
    while offset < count {
      guard count &- offset >= NetlinkHeader.size else { throw NetlinkFormatError(.truncated, at: offset) }
      let length = try hostUInt32(at: offset)
      guard length >= NetlinkHeader.size else { throw NetlinkFormatError(.badLength, at: offset) }
      guard length <= count &- offset else { throw NetlinkFormatError(.truncated, at: offset) }
      let header = NetlinkHeader(
        type: try hostUInt16(at: offset &+ 4), flags: try hostUInt16(at: offset &+ 6),
        sequence: try hostUInt32(at: offset &+ 8), port: try hostUInt32(at: offset &+ 12))
      let end = offset &+ Int(length)
      try body(header, extracting(offset &+ NetlinkHeader.size..<end))
      offset = aligned(end)
    }
  }

  /// Calls `body` with the type and value of each attribute behind a fixed part of `start` bytes.
  ///
  /// The two flag bits of the type (nested, byte order) are cleared. Fewer bytes than a header at the end are padding.
  package func forEachNetlinkAttribute(
    from start: Int, _ body: (UInt16, Span<UInt8>) throws(NetlinkFormatError) -> Void
  ) throws(NetlinkFormatError) {
    guard start <= count else { throw NetlinkFormatError(.truncated, at: count) }
    var offset = start
    while offset < count, count &- offset >= 4 {
      let length = Int(try hostUInt16(at: offset))
      // Zero would loop for ever.
      guard length >= 4 else { throw NetlinkFormatError(.badLength, at: offset) }
      guard length <= count &- offset else { throw NetlinkFormatError(.truncated, at: offset) }
      try body(try hostUInt16(at: offset &+ 2) & 0x3fff, extracting(offset &+ 4..<offset &+ length))
      offset = aligned(offset &+ length)
    }
  }

  /// Two bytes in the host's order, as netlink headers have them.
  package func hostUInt16(at offset: Int) throws(NetlinkFormatError) -> UInt16 {
    guard offset >= 0, offset <= count &- 2 else { throw NetlinkFormatError(.truncated, at: offset) }
    let bytes = UInt16(self[offset]) | UInt16(self[offset &+ 1]) << 8
    #if _endian(little)
      return bytes
    #else
      return bytes.byteSwapped
    #endif
  }

  /// Four bytes in the host's order.
  package func hostUInt32(at offset: Int) throws(NetlinkFormatError) -> UInt32 {
    guard offset >= 0, offset <= count &- 4 else { throw NetlinkFormatError(.truncated, at: offset) }
    let (low, high) = (UInt32(try hostUInt16(at: offset)), UInt32(try hostUInt16(at: offset &+ 2)))
    #if _endian(little)
      return low | high << 16
    #else
      return low << 16 | high
    #endif
  }

  /// A whole attribute that is one number.
  package func hostNumber() throws(NetlinkFormatError) -> UInt32 { try hostUInt32(at: 0) }

  /// A whole attribute that is an address of `family`.
  package func netlinkAddress(family: UInt8) throws(NetlinkFormatError) -> IPAddress {
    switch (CInt(family), count) {
    case (AF_INET, 4):
      return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: bigEndian(0..<4))))
    case (AF_INET6, 16):
      return .v6(IPv6Address(high: bigEndian(0..<8), low: bigEndian(8..<16)))
    default: throw NetlinkFormatError(.badAddress, at: 0)
    }
  }

  /// The bytes up to a zero or the end, as text.
  package func netlinkText() -> String {
    var bytes: [UInt8] = []
    for index in indices {
      if self[index] == 0 { break }
      bytes.append(self[index])
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  package func copied() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for index in indices { bytes.append(self[index]) }
    return bytes
  }

  private func bigEndian(_ range: Range<Int>) -> UInt64 {
    var value: UInt64 = 0
    for index in range { value = value << 8 | UInt64(self[index]) }
    return value
  }
}

/// Messages and attributes begin at multiples of four (`NLMSG_ALIGN`, `RTA_ALIGN`).
private func aligned(_ offset: Int) -> Int { (offset &+ 3) & ~3 }
