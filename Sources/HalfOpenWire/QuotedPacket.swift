// SPDX-License-Identifier: Apache-2.0

/// What can be read of the packet cut off within an ICMP error.
///
/// RFC 792 promises the IP header and 8 bytes behind it: just enough for the ports and sequence number of TCP. Routers
/// on the way may have changed the quoted header, so its lengths, TTL and checksum are not held against it.
public struct QuotedPacket: Hashable, Sendable {
  /// How far the quote could be read. Each step includes those before it.
  public enum Depth: UInt8, Hashable, Sendable, Comparable {
    /// Addresses and protocol: the quote ends there, is a later fragment, or has extension headers that do not parse.
    case addresses
    /// The ports of TCP, UDP, SCTP or DCCP.
    case ports
    /// The sequence number of TCP.
    case sequence

    /// A lesser depth says less.
    public static func < (left: Depth, right: Depth) -> Bool { left.rawValue < right.rawValue }
  }

  /// Who had sent the packet.
  public var source: IPAddress
  /// Whom it was for.
  public var destination: IPAddress
  /// The transport protocol, or the extension header at which the walk ended.
  public var `protocol`: IPProtocol
  /// How far the quote could be read.
  public var depth: Depth
  /// The TTL or hop limit that was left.
  public var ttl: UInt8
  /// The IPv4 identification, 0 for IPv6.
  public var identification: UInt16
  /// The sender's port, 0 if `depth` does not include it.
  public var sourcePort: UInt16 = 0
  /// The receiver's port, 0 if `depth` does not include it.
  public var destinationPort: UInt16 = 0
  /// The TCP sequence number, 0 if `depth` does not include it.
  public var sequence = SequenceNumber(0)

  /// Reads the body of an ICMP error of `family`.
  ///
  /// - Throws: a `WireError` if not even an IP header of that family is there.
  public init(_ bytes: Span<UInt8>, family: IPFamily) throws(WireError) {
    switch family {
    case .v4: try self.init(ipv4: bytes)
    case .v6: try self.init(ipv6: bytes)
    }
  }

  private init(ipv4 bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= 20 else { throw WireError(.ipv4, at: 0, .truncated(needed: 20, had: bytes.count)) }
    let first = bytes.load8(0)
    guard first >> 4 == 4 else { throw WireError(.ipv4, at: 0, .badVersion(first >> 4)) }
    let headerLength = Int(first & 0xf) &* 4
    guard headerLength >= 20 else { throw WireError(.ipv4, at: 0, .badHeaderLength(headerLength)) }
    source = .v4(bytes.loadIPv4(12))
    destination = .v4(bytes.loadIPv4(16))
    `protocol` = IPProtocol(rawValue: bytes.load8(9))
    ttl = bytes.load8(8)
    identification = bytes.load16(4)
    depth = .addresses
    let isLaterFragment = bytes.load16(6) & 0x1fff != 0
    if !isLaterFragment { readTransport(bytes.slice(headerLength)) }
  }

  private init(ipv6 bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= 40 else { throw WireError(.ipv6, at: 0, .truncated(needed: 40, had: bytes.count)) }
    let view = try IPv6View(bytes)
    source = .v6(view.source)
    destination = .v6(view.destination)
    `protocol` = view.nextHeader
    ttl = view.hopLimit
    identification = 0
    depth = .addresses
    guard let upper = try? view.upperLayer() else { return }
    `protocol` = upper.protocol
    if upper.fragmentOffset == 0 { readTransport(bytes.slice(upper.offset)) }
  }

  @inline(__always)
  private mutating func readTransport(_ bytes: Span<UInt8>) {
    switch `protocol` {
    case .tcp, .udp, .sctp, .dccp: break
    default: return
    }
    guard bytes.count >= 4 else { return }
    sourcePort = bytes.load16(0)
    destinationPort = bytes.load16(2)
    depth = .ports
    guard `protocol` == .tcp, bytes.count >= 8 else { return }
    sequence = SequenceNumber(bytes.load32(4))
    depth = .sequence
  }
}
