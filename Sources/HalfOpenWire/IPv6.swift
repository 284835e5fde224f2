// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let payloadLength = 4
  static let nextHeader = 6
  static let hopLimit = 7
  static let source = 8
  static let destination = 24
  static let payload = 40
}

/// An IPv6 packet (RFC 8200): any field of it, its extension headers, and its payload.
public struct IPv6View: ~Escapable {
  /// The packet and whatever follows it, such as Ethernet padding.
  public let bytes: Span<UInt8>

  /// How many extension headers ``upperLayer()`` follows. RFC 8200 section 4.1 recommends an order with seven.
  public static let extensionHeaderLimit = 8

  /// Reads a packet of which at least the fixed header is there.
  ///
  /// - Throws: `truncated` or `badVersion`.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.payload else {
      throw WireError(.ipv6, at: 0, .truncated(needed: Field.payload, had: bytes.count))
    }
    self.bytes = bytes
    let version = bytes.load8(0) >> 4
    guard version == 6 else { throw WireError(.ipv6, at: 0, .badVersion(version)) }
  }

  /// DSCP and the two ECN bits.
  public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: bytes.load16(0) >> 4) }
  /// The flow label, 20 bits.
  public var flowLabel: UInt32 { bytes.load32(0) & 0xf_ffff }
  /// What follows the fixed header in bytes, extension headers included, as the sender says.
  public var payloadLength: Int { Int(bytes.load16(Field.payloadLength)) }
  /// The first extension header or the transport protocol.
  public var nextHeader: IPProtocol { IPProtocol(rawValue: bytes.load8(Field.nextHeader)) }
  /// How many more routers may forward the packet.
  public var hopLimit: UInt8 { bytes.load8(Field.hopLimit) }
  /// Who says to have sent the packet.
  public var source: IPv6Address { bytes.loadIPv6(Field.source) }
  /// Whom it is for; before a routing header is used up, only the next stop.
  public var destination: IPv6Address { bytes.loadIPv6(Field.destination) }
  /// The captured part of what follows the fixed header, Ethernet padding excluded.
  public var payload: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(Field.payload, Field.payload &+ payloadLength) }
  }

  /// Where the extension headers end and what begins there.
  public struct UpperLayer: Hashable, Sendable {
    /// The transport protocol.
    public var `protocol`: IPProtocol
    /// Where its header begins, in bytes from the start of the fixed header.
    public var offset: Int
    /// Where this fragment's payload begins in the whole payload, in bytes.
    public var fragmentOffset = 0
    /// Another fragment follows.
    public var moreFragments = false
    /// What the fragments of one packet share, nil without a fragment header.
    public var identification: UInt32?
  }

  /// Walks hop-by-hop options, routing, fragment, destination options and authentication headers.
  ///
  /// The walk ends at the first header it does not know, and behind the fragment header of any fragment but the first.
  /// - Throws: `truncated` if the packet ends within an extension header, `tooManyHeaders` beyond
  ///   ``extensionHeaderLimit``.
  public func upperLayer() throws(WireError) -> UpperLayer {
    var upper = UpperLayer(protocol: nextHeader, offset: Field.payload)
    let end = Swift.min(bytes.count, Field.payload &+ payloadLength)
    for _ in 0..<Self.extensionHeaderLimit {
      guard Self.isExtension(upper.protocol) else { return upper }
      guard end &- upper.offset >= 8 else {
        throw WireError(.ipv6, at: upper.offset, .truncated(needed: 8, had: Swift.max(0, end &- upper.offset)))
      }
      let length = Int(bytes.load8(upper.offset &+ 1))
      let next = IPProtocol(rawValue: bytes.load8(upper.offset))
      switch upper.protocol {
      case .fragment:
        let field = bytes.load16(upper.offset &+ 2)
        upper.fragmentOffset = Int(field & 0xfff8)
        upper.moreFragments = field & 1 != 0
        upper.identification = bytes.load32(upper.offset &+ 4)
        upper.offset &+= 8
        upper.protocol = next
        if upper.fragmentOffset != 0 { return upper }
        continue
      case .authentication:
        // RFC 4302 section 2.2: in 32-bit words, minus two.
        upper.offset &+= (length &+ 2) &* 4
      default:
        upper.offset &+= (length &+ 1) &* 8
      }
      guard upper.offset <= end else {
        throw WireError(.ipv6, at: upper.offset, .truncated(needed: upper.offset, had: end))
      }
      upper.protocol = next
    }
    guard !Self.isExtension(upper.protocol) else {
      throw WireError(.ipv6, at: upper.offset, .tooManyHeaders(limit: Self.extensionHeaderLimit))
    }
    return upper
  }

  private static func isExtension(_ header: IPProtocol) -> Bool {
    switch header {
    case .hopByHop, .routing, .fragment, .destinationOptions, .authentication: true
    default: false
    }
  }
}

/// An IPv6 fixed header.
public struct IPv6Header: Hashable, Sendable {
  /// Who sends the packet.
  public var source: IPv6Address
  /// Whom it is for.
  public var destination: IPv6Address
  /// The first extension header or the transport protocol.
  public var nextHeader: IPProtocol
  /// How many more routers may forward the packet.
  public var hopLimit: UInt8
  /// What follows the fixed header, in bytes, at most 65535.
  public var payloadLength: Int
  /// DSCP and the two ECN bits.
  public var trafficClass: UInt8
  /// The flow label; the lower 20 bits are sent.
  public var flowLabel: UInt32

  /// The header of a packet.
  public init(
    source: IPv6Address, destination: IPv6Address, nextHeader: IPProtocol, payloadLength: Int, hopLimit: UInt8 = 64,
    trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
  ) {
    self.source = source
    self.destination = destination
    self.nextHeader = nextHeader
    self.hopLimit = hopLimit
    self.payloadLength = payloadLength
    self.trafficClass = trafficClass
    self.flowLabel = flowLabel
  }

  /// What a view says of the fixed header.
  @inline(__always)
  public init(_ view: borrowing IPv6View) {
    self.init(
      source: view.source, destination: view.destination, nextHeader: view.nextHeader,
      payloadLength: view.payloadLength, hopLimit: view.hopLimit, trafficClass: view.trafficClass,
      flowLabel: view.flowLabel)
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> IPv6Header {
    IPv6Header(try IPv6View(bytes))
  }

  /// 40.
  public var length: Int { Field.payload }

  /// Writes the header; the payload follows at `offset + length`.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    out.store32(0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel & 0xf_ffff, at: offset)
    out.store16(UInt16(clamping: payloadLength), at: offset &+ Field.payloadLength)
    out.store8(nextHeader.rawValue, at: offset &+ Field.nextHeader)
    out.store8(hopLimit, at: offset &+ Field.hopLimit)
    out.store(source, at: offset &+ Field.source)
    out.store(destination, at: offset &+ Field.destination)
  }
}
