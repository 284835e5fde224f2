// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let sourcePort = 0
  static let destinationPort = 2
  static let sequence = 4
  static let acknowledgment = 8
  static let dataOffset = 12
  static let flags = 13
  static let window = 14
  static let checksum = 16
  static let urgentPointer = 18
  static let options = 20
}

/// The control bits of a TCP header (RFC 9293 section 3.1).
public struct TCPFlags: OptionSet, Hashable, Sendable {
  /// The bits as they are on the wire.
  public var rawValue: UInt8

  /// The set of these bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// No more data from the sender.
  public static let fin = TCPFlags(rawValue: 0x01)
  /// Synchronise sequence numbers.
  public static let syn = TCPFlags(rawValue: 0x02)
  /// Reset the connection.
  public static let rst = TCPFlags(rawValue: 0x04)
  /// Push.
  public static let psh = TCPFlags(rawValue: 0x08)
  /// The acknowledgment number means something.
  public static let ack = TCPFlags(rawValue: 0x10)
  /// The urgent pointer means something.
  public static let urg = TCPFlags(rawValue: 0x20)
  /// ECN echo (RFC 3168).
  public static let ece = TCPFlags(rawValue: 0x40)
  /// Congestion window reduced (RFC 3168).
  public static let cwr = TCPFlags(rawValue: 0x80)
}

extension TCPFlags: CustomStringConvertible {
  /// The letters of tcpdump: `S.` is SYN and ACK, `none` the empty set.
  public var description: String {
    guard !isEmpty else { return "none" }
    var text = ""
    for (letter, flag) in Self.letters where contains(flag) { text += letter }
    return text
  }

  private static let letters: [(String, TCPFlags)] = [
    ("F", .fin), ("S", .syn), ("R", .rst), ("P", .psh), (".", .ack), ("U", .urg), ("E", .ece), ("W", .cwr),
  ]
}

/// A TCP segment (RFC 9293): any field of it, its options and its payload.
public struct TCPView: ~Escapable {
  /// The segment, up to the end of the IP payload.
  public let bytes: Span<UInt8>

  /// Reads a segment of which at least the header with its options is there.
  ///
  /// - Throws: `truncated`, or `badHeaderLength` for a data offset below 20 bytes.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.options else {
      throw WireError(.tcp, at: 0, .truncated(needed: Field.options, had: bytes.count))
    }
    self.bytes = bytes
    guard headerLength >= Field.options else {
      throw WireError(.tcp, at: Field.dataOffset, .badHeaderLength(headerLength))
    }
    guard headerLength <= bytes.count else {
      throw WireError(.tcp, at: 0, .truncated(needed: headerLength, had: bytes.count))
    }
  }

  /// The sender's port.
  public var sourcePort: UInt16 { bytes.load16(Field.sourcePort) }
  /// The receiver's port.
  public var destinationPort: UInt16 { bytes.load16(Field.destinationPort) }
  /// The number of the first byte of data, or of the SYN.
  public var sequence: SequenceNumber { SequenceNumber(bytes.load32(Field.sequence)) }
  /// The number the sender expects next, if the ACK flag is set.
  public var acknowledgment: SequenceNumber { SequenceNumber(bytes.load32(Field.acknowledgment)) }
  /// 20 to 60, options included.
  public var headerLength: Int { Int(bytes.load8(Field.dataOffset) >> 4) &* 4 }
  /// The control bits.
  public var flags: TCPFlags { TCPFlags(rawValue: bytes.load8(Field.flags)) }
  /// The four bits between data offset and flags: reserved, or in use by accurate ECN.
  public var reserved: UInt8 { bytes.load8(Field.dataOffset) & 0xf }
  /// The window, not yet scaled.
  public var window: UInt16 { bytes.load16(Field.window) }
  /// The checksum as it is on the wire.
  public var checksum: UInt16 { bytes.load16(Field.checksum) }
  /// Where urgent data ends, if the URG flag is set.
  public var urgentPointer: UInt16 { bytes.load16(Field.urgentPointer) }
  /// The options, at most 40 bytes.
  public var optionBytes: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(Field.options, headerLength) }
  }
  /// The options, one by one.
  public var options: TCPOptionIterator {
    @_lifetime(copy self) get { TCPOptionIterator(optionBytes) }
  }
  /// The captured data behind the header.
  public var payload: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(headerLength) }
  }
}

/// A TCP header with the options a handshake uses.
public struct TCPHeader: Hashable, Sendable {
  /// The sender's port.
  public var sourcePort: UInt16
  /// The receiver's port.
  public var destinationPort: UInt16
  /// The number of the first byte of data, or of the SYN.
  public var sequence: SequenceNumber
  /// The number the sender expects next, if the ACK flag is set.
  public var acknowledgment: SequenceNumber
  /// The control bits.
  public var flags: TCPFlags
  /// The window, not yet scaled.
  public var window: UInt16
  /// Where urgent data ends, if the URG flag is set.
  public var urgentPointer: UInt16
  /// The options.
  public var options: TCPOptionSummary

  /// A header of these fields.
  public init(
    sourcePort: UInt16, destinationPort: UInt16, sequence: SequenceNumber,
    acknowledgment: SequenceNumber = SequenceNumber(0), flags: TCPFlags, window: UInt16 = 0, urgentPointer: UInt16 = 0,
    options: TCPOptionSummary = TCPOptionSummary()
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgment = acknowledgment
    self.flags = flags
    self.window = window
    self.urgentPointer = urgentPointer
    self.options = options
  }

  /// What a view says. Options that do not parse end the list; what stood before them counts.
  @inline(__always)
  public init(_ view: borrowing TCPView) {
    self.init(
      sourcePort: view.sourcePort, destinationPort: view.destinationPort, sequence: view.sequence,
      acknowledgment: view.acknowledgment, flags: view.flags, window: view.window, urgentPointer: view.urgentPointer,
      options: TCPOptionSummary(view.optionBytes))
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> TCPHeader {
    TCPHeader(try TCPView(bytes))
  }

  /// What ``emit(into:at:pseudoHeader:payloadLength:)`` writes, in bytes: 20 to 44.
  public var length: Int { Field.options &+ options.length }

  /// Writes the header at `offset`.
  ///
  /// The checksum covers `payloadLength` bytes that must stand behind the header already. Without a pseudo header it
  /// is left 0.
  /// - Precondition: `out` has room for `length + payloadLength` bytes at `offset`.
  public func emit(
    into out: inout MutableSpan<UInt8>, at offset: Int = 0, pseudoHeader: PseudoHeader? = nil, payloadLength: Int = 0
  ) {
    let length = length
    out.requireRoom(length &+ payloadLength, at: offset)
    out.store16(sourcePort, at: offset &+ Field.sourcePort)
    out.store16(destinationPort, at: offset &+ Field.destinationPort)
    out.store32(sequence.rawValue, at: offset &+ Field.sequence)
    out.store32(acknowledgment.rawValue, at: offset &+ Field.acknowledgment)
    out.store8(UInt8(truncatingIfNeeded: length << 2), at: offset &+ Field.dataOffset)
    out.store8(flags.rawValue, at: offset &+ Field.flags)
    out.store16(window, at: offset &+ Field.window)
    out.store16(0, at: offset &+ Field.checksum)
    out.store16(urgentPointer, at: offset &+ Field.urgentPointer)
    options.emit(into: &out, at: offset &+ Field.options)
    guard let pseudoHeader else { return }
    var checksum = Checksum()
    checksum.add(pseudoHeader, length: length &+ payloadLength)
    checksum.add(out.span.slice(offset, offset &+ length &+ payloadLength))
    out.store16(checksum.value, at: offset &+ Field.checksum)
  }
}
