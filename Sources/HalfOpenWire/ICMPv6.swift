// SPDX-License-Identifier: Apache-2.0

/// An ICMPv6 message (RFC 4443).
public struct ICMPv6View: ~Escapable {
  /// The message, up to the end of the IP payload.
  public let bytes: Span<UInt8>

  /// Reads a message of which at least the eight bytes of its header are there.
  ///
  /// - Throws: `truncated`.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= 8 else { throw WireError(.icmpv6, at: 0, .truncated(needed: 8, had: bytes.count)) }
    self.bytes = bytes
  }

  /// What the message is about.
  public var type: UInt8 { bytes.load8(0) }
  /// What kind of it.
  public var code: UInt8 { bytes.load8(1) }
  /// The checksum as it is on the wire; ``PseudoHeader/checksumIsValid(_:)`` checks it.
  public var checksum: UInt16 { bytes.load16(2) }
  /// The four bytes whose meaning depends on the type: the next hop's MTU, or identifier and sequence number.
  public var rest: UInt32 { bytes.load32(4) }
  /// What stands behind the first eight bytes: in an error the quoted packet.
  public var body: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(8) }
  }
  /// Whether the message says that the packet it quotes was not delivered: types 1 to 4.
  public var isError: Bool {
    type >= ICMPv6Header.destinationUnreachable && type <= ICMPv6Header.parameterProblem
  }
}

/// The header of an ICMPv6 message.
public struct ICMPv6Header: Hashable, Sendable {
  /// Type of an error: the packet could not be delivered.
  public static let destinationUnreachable: UInt8 = 1
  /// Type of an error: the packet is larger than the next link's MTU.
  public static let packetTooBig: UInt8 = 2
  /// Type of an error: the hop limit ran out.
  public static let timeExceeded: UInt8 = 3
  /// Type of an error: a field of a header is wrong.
  public static let parameterProblem: UInt8 = 4
  /// Type of an echo request.
  public static let echoRequest: UInt8 = 128
  /// Type of an echo reply.
  public static let echoReply: UInt8 = 129
  /// Type of a neighbour solicitation (RFC 4861).
  public static let neighborSolicitation: UInt8 = 135
  /// Type of a neighbour advertisement (RFC 4861).
  public static let neighborAdvertisement: UInt8 = 136

  /// What the message is about.
  public var type: UInt8
  /// What kind of it.
  public var code: UInt8
  /// The four bytes whose meaning depends on the type.
  public var rest: UInt32

  /// The header of a message.
  public init(type: UInt8, code: UInt8, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.rest = rest
  }

  /// What a view says.
  @inline(__always)
  public init(_ view: borrowing ICMPv6View) {
    self.init(type: view.type, code: view.code, rest: view.rest)
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> ICMPv6Header {
    ICMPv6Header(try ICMPv6View(bytes))
  }

  /// 8.
  public var length: Int { 8 }

  /// Writes the header. Its checksum covers the addresses and `payloadLength` bytes that must stand behind it already.
  ///
  /// - Precondition: `out` has room for `length + payloadLength` bytes at `offset`.
  public func emit(
    into out: inout MutableSpan<UInt8>, at offset: Int = 0, source: IPv6Address, destination: IPv6Address,
    payloadLength: Int = 0
  ) {
    out.requireRoom(length &+ payloadLength, at: offset)
    out.store8(type, at: offset)
    out.store8(code, at: offset &+ 1)
    out.store16(0, at: offset &+ 2)
    out.store32(rest, at: offset &+ 4)
    var checksum = Checksum()
    checksum.add(
      PseudoHeader(source: .v6(source), destination: .v6(destination), protocol: .icmpv6),
      length: length &+ payloadLength)
    checksum.add(out.span.slice(offset, offset &+ length &+ payloadLength))
    out.store16(checksum.value, at: offset &+ 2)
  }
}
