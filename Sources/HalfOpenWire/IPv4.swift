// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let totalLength = 2
  static let identification = 4
  static let fragment = 6
  static let ttl = 8
  static let `protocol` = 9
  static let checksum = 10
  static let source = 12
  static let destination = 16
  static let options = 20
}

/// An IPv4 packet (RFC 791): any field of it, and its payload.
public struct IPv4View: ~Escapable {
  /// The packet and whatever follows it, such as Ethernet padding.
  public let bytes: Span<UInt8>

  /// Reads a packet of which at least the header is there.
  ///
  /// - Throws: `truncated`, `badVersion`, `badHeaderLength`, or `badLength` for a total length shorter than the header.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.options else {
      throw WireError(.ipv4, at: 0, .truncated(needed: Field.options, had: bytes.count))
    }
    self.bytes = bytes
    let first = bytes.load8(0)
    guard first >> 4 == 4 else { throw WireError(.ipv4, at: 0, .badVersion(first >> 4)) }
    guard headerLength >= Field.options else { throw WireError(.ipv4, at: 0, .badHeaderLength(headerLength)) }
    guard headerLength <= bytes.count else {
      throw WireError(.ipv4, at: 0, .truncated(needed: headerLength, had: bytes.count))
    }
    guard totalLength >= headerLength else {
      throw WireError(.ipv4, at: Field.totalLength, .badLength(totalLength))
    }
  }

  /// 20 to 60, options included.
  public var headerLength: Int { Int(bytes.load8(0) & 0xf) &* 4 }
  /// The differentiated services field: DSCP and the two ECN bits.
  public var trafficClass: UInt8 { bytes.load8(1) }
  /// Header and payload in bytes, as the sender says.
  public var totalLength: Int { Int(bytes.load16(Field.totalLength)) }
  /// What the fragments of one packet share.
  public var identification: UInt16 { bytes.load16(Field.identification) }
  /// Routers must not fragment the packet.
  public var dontFragment: Bool { bytes.load16(Field.fragment) & 0x4000 != 0 }
  /// Another fragment follows.
  public var moreFragments: Bool { bytes.load16(Field.fragment) & 0x2000 != 0 }
  /// Where this fragment's payload begins in the whole payload, in bytes.
  public var fragmentOffset: Int { Int(bytes.load16(Field.fragment) & 0x1fff) &* 8 }
  /// How many more routers may forward the packet.
  public var ttl: UInt8 { bytes.load8(Field.ttl) }
  /// The protocol of the payload.
  public var `protocol`: IPProtocol { IPProtocol(rawValue: bytes.load8(Field.protocol)) }
  /// The header checksum as it is on the wire.
  public var checksum: UInt16 { bytes.load16(Field.checksum) }
  /// Who says to have sent the packet.
  public var source: IPv4Address { bytes.loadIPv4(Field.source) }
  /// Whom it is for.
  public var destination: IPv4Address { bytes.loadIPv4(Field.destination) }

  /// The header's options, at most 40 bytes.
  public var options: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(Field.options, headerLength) }
  }
  /// How long the payload is by the packet's own account; the capture may hold less of it.
  public var payloadLength: Int { totalLength &- headerLength }
  /// The captured part of the payload: what lies beyond the packet's total length is padding, not payload.
  public var payload: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(headerLength, totalLength) }
  }
  /// Whether the header's checksum is right. Frames captured on the sending host may carry a partial one.
  public var checksumIsValid: Bool {
    var checksum = Checksum()
    checksum.add(bytes.slice(0, headerLength))
    return checksum.isValid
  }
  /// Whether the packet is a piece of a larger one.
  public var isFragment: Bool { bytes.load16(Field.fragment) & 0x3fff != 0 }
}

/// An IPv4 header without options.
public struct IPv4Header: Hashable, Sendable {
  /// Who sends the packet.
  public var source: IPv4Address
  /// Whom it is for.
  public var destination: IPv4Address
  /// The protocol of the payload.
  public var `protocol`: IPProtocol
  /// How many more routers may forward the packet.
  public var ttl: UInt8
  /// The payload's length in bytes, at most 65515.
  public var payloadLength: Int
  /// What the fragments of one packet share.
  public var identification: UInt16
  /// Routers must not fragment the packet.
  public var dontFragment: Bool
  /// Another fragment follows.
  public var moreFragments: Bool
  /// Where this fragment's payload begins in the whole payload: a multiple of 8 bytes, at most 65528.
  public var fragmentOffset: Int
  /// The differentiated services field: DSCP and the two ECN bits.
  public var trafficClass: UInt8

  /// The header of a whole packet, with `dontFragment` set as Linux does for TCP.
  public init(
    source: IPv4Address, destination: IPv4Address, protocol: IPProtocol, payloadLength: Int, ttl: UInt8 = 64,
    identification: UInt16 = 0, dontFragment: Bool = true, moreFragments: Bool = false, fragmentOffset: Int = 0,
    trafficClass: UInt8 = 0
  ) {
    self.source = source
    self.destination = destination
    self.protocol = `protocol`
    self.ttl = ttl
    self.payloadLength = payloadLength
    self.identification = identification
    self.dontFragment = dontFragment
    self.moreFragments = moreFragments
    self.fragmentOffset = fragmentOffset
    self.trafficClass = trafficClass
  }

  /// What a view says, its options left out.
  @inline(__always)
  public init(_ view: borrowing IPv4View) {
    self.init(
      source: view.source, destination: view.destination, protocol: view.protocol, payloadLength: view.payloadLength,
      ttl: view.ttl, identification: view.identification, dontFragment: view.dontFragment,
      moreFragments: view.moreFragments, fragmentOffset: view.fragmentOffset, trafficClass: view.trafficClass)
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> IPv4Header {
    IPv4Header(try IPv4View(bytes))
  }

  /// 20.
  public var length: Int { Field.options }

  /// Writes the header with its checksum; the payload follows at `offset + length`.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    out.store8(0x45, at: offset)
    out.store8(trafficClass, at: offset &+ 1)
    out.store16(UInt16(clamping: payloadLength &+ length), at: offset &+ Field.totalLength)
    out.store16(identification, at: offset &+ Field.identification)
    let flags: UInt16 = (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0)
    out.store16(flags | UInt16(truncatingIfNeeded: fragmentOffset >> 3) & 0x1fff, at: offset &+ Field.fragment)
    out.store8(ttl, at: offset &+ Field.ttl)
    out.store8(`protocol`.rawValue, at: offset &+ Field.protocol)
    out.store16(0, at: offset &+ Field.checksum)
    out.store(source, at: offset &+ Field.source)
    out.store(destination, at: offset &+ Field.destination)
    var checksum = Checksum()
    checksum.add(out.span.slice(offset, offset &+ length))
    out.store16(checksum.value, at: offset &+ Field.checksum)
  }
}
