// SPDX-License-Identifier: Apache-2.0

/// A captured frame, read down to its transport header: a plain value, made without allocating.
///
/// Checksums are not looked at, since frames captured on the sending host carry partial ones. Lengths are: bytes behind
/// the IP packet's own length, such as Ethernet padding, belong to nothing here.
public struct Frame: Hashable, Sendable {
  /// What the link layer says.
  public var link: LinkInfo
  /// What the IP header says, nil for anything but IPv4 and IPv6.
  public var network: Network? { isIP ? header : nil }
  /// What the packet is.
  public var transport: Transport { isTCP ? .tcp(segment) : rest }
  /// The captured data behind the TCP header or an ICMP header, as a range within the frame; otherwise the whole
  /// captured payload of the IP header or of the link layer.
  public var payload: Range<Int>
  /// How long that data is by the IP header's account. It exceeds `payload.count` if the capture cut the packet.
  public var payloadLength: Int

  // The common case stands by itself: moved in and out of the enum and the optional it took twice as long.
  private var isIP = false
  private var isTCP = false
  private var header = Network()
  private var segment = TCPHeader(sourcePort: 0, destinationPort: 0, sequence: SequenceNumber(0), flags: [])
  private var rest = Transport.other

  /// The facts of an IP header.
  public struct Network: Hashable, Sendable {
    /// Who says to have sent the packet.
    public var source: IPAddress = IPAddress.v4(.unspecified)
    /// Whom it is for.
    public var destination: IPAddress = IPAddress.v4(.unspecified)
    /// The transport protocol, behind all extension headers.
    public var `protocol`: IPProtocol = IPProtocol.noNextHeader
    /// The TTL or hop limit that is left.
    public var ttl: UInt8 = 0
    /// The identification of IPv4; 0 for IPv6.
    public var identification: UInt16 = 0
    /// Whether the packet is a piece of a larger one.
    public var isFragment: Bool = false
    /// Where the IP header begins in the frame.
    public var offset: Int = 0
    /// The captured transport segment, its header included, as a range within the frame.
    public var payload: Range<Int> = 0..<0
    /// How long the segment is by the IP header's account.
    public var payloadLength: Int = 0

    /// What the segment's checksum covers beside itself.
    public var pseudoHeader: PseudoHeader {
      PseudoHeader(source: source, destination: destination, protocol: `protocol`)
    }
  }

  /// What a packet is.
  public enum Transport: Hashable, Sendable {
    /// A TCP segment.
    case tcp(TCPHeader)
    /// An ICMP or ICMPv6 message saying that the packet it quotes was not delivered.
    case icmpError(ICMPError)
    /// Any other ICMP or ICMPv6 message, and errors without a legible quote.
    case icmp(type: UInt8, code: UInt8)
    /// ARP.
    case arp(ARPPacket)
    /// A neighbour solicitation or advertisement that came from the link (hop limit 255, RFC 4861 section 7.1).
    case neighbor(NeighborMessage)
    /// Anything else, among it every fragment but a first one.
    case other
  }

  /// The TCP header, nil for anything else.
  public var tcp: TCPHeader? {
    isTCP ? segment : nil
  }

  /// The ICMP error, nil for anything else.
  public var icmpError: ICMPError? {
    if !isTCP, case .icmpError(let error) = rest { error } else { nil }
  }

  /// Reads a frame that begins with a header of `linkType`.
  ///
  /// - Throws: a `WireError` with the offset within the frame if a header is cut off or contradicts itself.
  public init(_ bytes: Span<UInt8>, linkType: LinkType) throws(WireError) {
    let layer = try LinkLayer(bytes, linkType: linkType)
    link = layer.info
    payload = layer.offset..<bytes.count
    payloadLength = payload.count
    do {
      switch layer.type {
      case .ipv4: try readIPv4(bytes.slice(layer.offset), at: layer.offset)
      case .ipv6: try readIPv6(bytes.slice(layer.offset), at: layer.offset)
      case .arp: rest = .arp(try ARPPacket(bytes.slice(layer.offset)))
      default: break
      }
    } catch {
      throw error.shifted(by: layer.offset)
    }
  }

  @inline(__always)
  private mutating func readIPv4(_ bytes: Span<UInt8>, at offset: Int) throws(WireError) {
    let view = try IPv4View(bytes)
    let start = view.headerLength
    let end = Swift.min(view.totalLength, bytes.count)
    let `protocol` = view.protocol
    let segment = Network(
      source: .v4(view.source), destination: .v4(view.destination), protocol: `protocol`, ttl: view.ttl,
      identification: view.identification, isFragment: view.isFragment, offset: offset,
      payload: (offset &+ start)..<(offset &+ end), payloadLength: view.payloadLength)
    isIP = true
    header = segment
    payload = segment.payload
    payloadLength = segment.payloadLength
    guard view.fragmentOffset == 0 else { return }
    do {
      switch `protocol` {
      case .tcp: try readTCP(bytes.slice(start, end))
      case .icmpv4: try readICMPv4(bytes.slice(start, end), sender: view.source)
      default: break
      }
    } catch {
      throw error.shifted(by: start)
    }
  }

  @inline(__always)
  private mutating func readIPv6(_ bytes: Span<UInt8>, at offset: Int) throws(WireError) {
    let view = try IPv6View(bytes)
    let upper = try view.upperLayer()
    let whole = 40 &+ view.payloadLength
    let end = Swift.max(upper.offset, Swift.min(whole, bytes.count))
    let segment = Network(
      source: .v6(view.source), destination: .v6(view.destination), protocol: upper.protocol, ttl: view.hopLimit,
      identification: 0, isFragment: upper.moreFragments || upper.fragmentOffset != 0, offset: offset,
      payload: (offset &+ upper.offset)..<(offset &+ end), payloadLength: Swift.max(0, whole &- upper.offset))
    isIP = true
    header = segment
    payload = segment.payload
    payloadLength = segment.payloadLength
    guard upper.fragmentOffset == 0 else { return }
    do {
      switch upper.protocol {
      case .tcp: try readTCP(bytes.slice(upper.offset, end))
      case .icmpv6: try readICMPv6(bytes.slice(upper.offset, end), sender: view.source, hopLimit: view.hopLimit)
      default: break
      }
    } catch {
      throw error.shifted(by: upper.offset)
    }
  }

  @inline(__always)
  private mutating func readTCP(_ bytes: Span<UInt8>) throws(WireError) {
    let view = try TCPView(bytes)
    isTCP = true
    segment = TCPHeader(view)
    skip(view.headerLength)
  }

  private mutating func readICMPv4(_ bytes: Span<UInt8>, sender: IPv4Address) throws(WireError) {
    let view = try ICMPv4View(bytes)
    rest = .icmp(type: view.type, code: view.code)
    skip(8)
    guard view.isError, let quoted = try? QuotedPacket(view.body, family: .v4) else { return }
    rest = .icmpError(
      ICMPError(sender: .v4(sender), type: view.type, code: view.code, rest: view.rest, quoted: quoted))
  }

  private mutating func readICMPv6(_ bytes: Span<UInt8>, sender: IPv6Address, hopLimit: UInt8) throws(WireError) {
    let view = try ICMPv6View(bytes)
    rest = .icmp(type: view.type, code: view.code)
    skip(8)
    switch view.type {
    case ICMPv6Header.neighborSolicitation, ICMPv6Header.neighborAdvertisement:
      guard hopLimit == 255 else { return }
      rest = .neighbor(try NeighborMessage(bytes))
    default:
      guard view.isError, let quoted = try? QuotedPacket(view.body, family: .v6) else { return }
      rest = .icmpError(
        ICMPError(sender: .v6(sender), type: view.type, code: view.code, rest: view.rest, quoted: quoted))
    }
  }

  /// Moves the payload behind a header of `length` bytes, all of which were there.
  @inline(__always)
  private mutating func skip(_ length: Int) {
    payload = Swift.min(payload.lowerBound &+ length, payload.upperBound)..<payload.upperBound
    payloadLength = Swift.max(0, payloadLength &- length)
  }
}

/// An ICMP or ICMPv6 error.
public struct ICMPError: Hashable, Sendable {
  /// Who sent the error: a router, a firewall, or the target itself.
  public var sender: IPAddress
  /// The type; its meaning depends on the sender's family.
  public var type: UInt8
  /// The code; its meaning depends on the type.
  public var code: UInt8
  /// The four bytes behind the checksum: for "too big" messages the next hop's MTU.
  public var rest: UInt32
  /// The packet that was not delivered, as far as the error quotes it.
  public var quoted: QuotedPacket

  /// An error of these fields.
  public init(sender: IPAddress, type: UInt8, code: UInt8, rest: UInt32 = 0, quoted: QuotedPacket) {
    self.sender = sender
    self.type = type
    self.code = code
    self.rest = rest
    self.quoted = quoted
  }
}
