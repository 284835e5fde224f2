// SPDX-License-Identifier: Apache-2.0

/// An ICMP message of IPv4 (RFC 792).
public struct ICMPv4View: ~Escapable {
  /// The message, up to the end of the IP payload.
  public let bytes: Span<UInt8>

  /// Reads a message of which at least the eight bytes of its header are there.
  ///
  /// - Throws: `truncated`.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= 8 else { throw WireError(.icmpv4, at: 0, .truncated(needed: 8, had: bytes.count)) }
    self.bytes = bytes
  }

  /// What the message is about.
  public var type: UInt8 { bytes.load8(0) }
  /// What kind of it.
  public var code: UInt8 { bytes.load8(1) }
  /// The checksum as it is on the wire.
  public var checksum: UInt16 { bytes.load16(2) }
  /// The four bytes whose meaning depends on the type: the next hop's MTU, or identifier and sequence number.
  public var rest: UInt32 { bytes.load32(4) }
  /// What stands behind the header: in an error the quoted packet.
  public var body: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(8) }
  }
  /// Whether the message says that the packet it quotes was not delivered: destination unreachable, source quench,
  /// time exceeded or parameter problem. A redirect quotes a packet too, but that one was forwarded.
  public var isError: Bool {
    switch type {
    case ICMPv4Header.destinationUnreachable, ICMPv4Header.sourceQuench, ICMPv4Header.timeExceeded,
      ICMPv4Header.parameterProblem:
      true
    default: false
    }
  }
  /// Whether the checksum of a wholly captured message is right.
  public var checksumIsValid: Bool {
    var checksum = Checksum()
    checksum.add(bytes)
    return checksum.isValid
  }
}

/// The header of an ICMP message of IPv4.
public struct ICMPv4Header: Hashable, Sendable {
  /// Type of an echo reply.
  public static let echoReply: UInt8 = 0
  /// Type of an error: the packet could not be delivered.
  public static let destinationUnreachable: UInt8 = 3
  /// Type of an obsolete error: too many packets (RFC 6633).
  public static let sourceQuench: UInt8 = 4
  /// Type of a hint that a better gateway is on the link.
  public static let redirect: UInt8 = 5
  /// Type of an echo request.
  public static let echoRequest: UInt8 = 8
  /// Type of an error: the time to live ran out.
  public static let timeExceeded: UInt8 = 11
  /// Type of an error: a field of the header is wrong.
  public static let parameterProblem: UInt8 = 12

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
  public init(_ view: borrowing ICMPv4View) {
    self.init(type: view.type, code: view.code, rest: view.rest)
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> ICMPv4Header {
    ICMPv4Header(try ICMPv4View(bytes))
  }

  /// 8.
  public var length: Int { 8 }

  /// Writes the header. Its checksum covers `payloadLength` bytes that must stand behind it already.
  ///
  /// - Precondition: `out` has room for `length + payloadLength` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0, payloadLength: Int = 0) {
    out.requireRoom(length &+ payloadLength, at: offset)
    out.store8(type, at: offset)
    out.store8(code, at: offset &+ 1)
    out.store16(0, at: offset &+ 2)
    out.store32(rest, at: offset &+ 4)
    var checksum = Checksum()
    checksum.add(out.span.slice(offset, offset &+ length &+ payloadLength))
    out.store16(checksum.value, at: offset &+ 2)
  }
}
