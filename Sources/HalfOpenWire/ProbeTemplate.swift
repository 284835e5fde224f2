// SPDX-License-Identifier: Apache-2.0

/// Which options a SYN carries, and in which order.
///
/// MSS alone brings most of the answers that options bring at all; the others look like an operating system's own SYN.
public enum TCPOptionLayout: String, Hashable, Sendable, CaseIterable {
  /// MSS: 4 bytes.
  case mss
  /// MSS, SACK permitted, timestamps, NOP, window scale 7: 20 bytes.
  case linux
  /// MSS, NOP, window scale 8, NOP, NOP, SACK permitted: 12 bytes.
  case windows
  /// MSS, NOP, window scale 6, NOP, NOP, timestamps, SACK permitted, two end-of-list: 24 bytes.
  case bsd

  /// What the options take in bytes.
  public var length: Int {
    switch self {
    case .mss: 4
    case .linux: 20
    case .windows: 12
    case .bsd: 24
    }
  }

  /// Where TSval stands in the options, nil for none.
  fileprivate var timestampOffset: Int? {
    switch self {
    case .mss, .windows: nil
    case .linux: 8
    case .bsd: 12
    }
  }

  /// Whether a SYN says the time, which its SYN-ACK then repeats (RFC 7323 section 3).
  public var hasTimestamps: Bool { timestampOffset != nil }

  fileprivate func emit(into out: inout MutableSpan<UInt8>, at offset: Int, mss: UInt16, timestamp: UInt32) {
    out.store32(0x0204_0000 | UInt32(mss), at: offset)
    let rest = offset &+ 4
    switch self {
    case .mss:
      break
    case .linux:
      out.store32(0x0402_080a, at: rest)
      out.store32(timestamp, at: rest &+ 4)
      out.store32(0, at: rest &+ 8)
      out.store32(0x0103_0307, at: rest &+ 12)
    case .windows:
      out.store32(0x0103_0308, at: rest)
      out.store32(0x0101_0402, at: rest &+ 4)
    case .bsd:
      out.store32(0x0103_0306, at: rest)
      out.store32(0x0101_080a, at: rest &+ 4)
      out.store32(timestamp, at: rest &+ 8)
      out.store32(0, at: rest &+ 12)
      out.store32(0x0402_0000, at: rest &+ 16)
    }
  }
}

/// A SYN whose constant part is built once, so that a probe costs a few stores.
///
/// ``write(into:at:)`` puts the whole packet into a slot of a buffer; ``patch(into:at:destination:sourcePort:destinationPort:sequence:identification:)``
/// then turns the slot into any probe, as often as wanted, with right checksums each time. Neither allocates.
public struct ProbeTemplate: Sendable {
  private let segment: SegmentTemplate

  /// The source address of every probe.
  public var source: IPAddress { segment.source }

  /// A template for SYNs from `source`.
  ///
  /// - Parameters:
  ///   - source: the source address; its family is that of the probes.
  ///   - ttl: TTL or hop limit.
  ///   - layout: the TCP options.
  ///   - mss: the segment size announced; by default 1460 (IPv4) or 1440 (IPv6), what an Ethernet takes.
  ///   - window: the window announced, never scaled in a SYN.
  ///   - timestamp: TSval of the layouts that have timestamps.
  public init(
    source: IPAddress, ttl: UInt8 = 64, layout: TCPOptionLayout = .mss, mss: UInt16? = nil, window: UInt16 = 64240,
    timestamp: UInt32 = 1
  ) {
    let mss = mss ?? (source.family == .v4 ? 1460 : 1440)
    segment = SegmentTemplate(
      source: source, ttl: ttl, flags: .syn, window: window, optionLength: layout.length,
      clock: layout.timestampOffset.map { (timestamp, 20 &+ $0) }
    ) { layout.emit(into: &$0, at: $1, mss: mss, timestamp: timestamp) }
  }

  /// Length of a probe in bytes, from its IP header on.
  public var length: Int { segment.length }

  /// Writes the packet with empty destination, ports and sequence number.
  ///
  /// - Precondition: `buffer` has room for `length` bytes at `offset`.
  public func write(into buffer: inout MutableSpan<UInt8>, at offset: Int = 0) {
    segment.write(into: &buffer, at: offset)
  }

  /// Turns what ``write(into:at:)`` or an earlier patch left at `offset` into the probe of these values.
  ///
  /// - Parameters:
  ///   - buffer: where the packet stands.
  ///   - offset: at which byte it begins.
  ///   - destination: whom to probe.
  ///   - sourcePort: our port.
  ///   - destinationPort: the port to probe.
  ///   - sequence: the initial sequence number, a cookie.
  ///   - identification: the IPv4 identification; the kernel replaces 0 on a raw IP socket. Unused in IPv6.
  ///   - timestamp: TSval of a layout that has timestamps; nil for the template's.
  /// - Precondition: `destination` is of the family of ``source``, and `buffer` has room for `length` bytes at `offset`.
  public func patch(
    into buffer: inout MutableSpan<UInt8>, at offset: Int = 0, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16 = 0, timestamp: UInt32? = nil
  ) {
    segment.patch(
      into: &buffer, at: offset, destination: destination, sourcePort: sourcePort, destinationPort: destinationPort,
      sequence: sequence, identification: identification, timestamp: timestamp)
  }
}

/// A bare RST (no ACK, acknowledgment 0, window 0, no options) as the kernel answers an unexpected SYN-ACK with; used
/// like a ``ProbeTemplate``.
public struct ResetTemplate: Sendable {
  private let segment: SegmentTemplate

  /// The source address of every reset.
  public var source: IPAddress { segment.source }

  /// A template for RSTs from `source` with this TTL or hop limit.
  public init(source: IPAddress, ttl: UInt8 = 64) {
    segment = SegmentTemplate(
      source: source, ttl: ttl, flags: .rst, window: 0, optionLength: 0, clock: nil
    ) { _, _ in }
  }

  /// Length of a reset in bytes, from its IP header on.
  public var length: Int { segment.length }

  /// Writes the packet with empty destination, ports and sequence number.
  ///
  /// - Precondition: `buffer` has room for `length` bytes at `offset`.
  public func write(into buffer: inout MutableSpan<UInt8>, at offset: Int = 0) {
    segment.write(into: &buffer, at: offset)
  }

  /// Turns what ``write(into:at:)`` or an earlier patch left at `offset` into the reset of these values.
  ///
  /// - Parameters:
  ///   - buffer: where the packet stands.
  ///   - offset: at which byte it begins.
  ///   - destination: whom to reset.
  ///   - sourcePort: our port.
  ///   - destinationPort: their port.
  ///   - sequence: the acknowledgment number of the segment that is answered (RFC 9293 section 3.10.7.1).
  ///   - identification: the IPv4 identification; the kernel replaces 0 on a raw IP socket. Unused in IPv6.
  /// - Precondition: `destination` is of the family of ``source``, and `buffer` has room for `length` bytes at `offset`.
  public func patch(
    into buffer: inout MutableSpan<UInt8>, at offset: Int = 0, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16 = 0
  ) {
    segment.patch(
      into: &buffer, at: offset, destination: destination, sourcePort: sourcePort, destinationPort: destinationPort,
      sequence: sequence, identification: identification, timestamp: nil)
  }
}

/// An IP header and a TCP header without data, with the sums over everything that never changes. An object, so that who
/// patches by it in a loop is handed a reference, not a copy of all this.
private final class SegmentTemplate: Sendable {
  let source: IPAddress
  let length: Int
  /// Large enough for IPv6 with the longest options: 40 + 20 + 24.
  private let bytes: [84 of UInt8]
  private let isIPv4: Bool
  /// TSval, and where it stands behind the TCP header's first byte.
  private let clock: (value: UInt32, offset: Int)?
  /// Over the IPv4 header without destination and identification.
  private let headerSum: UInt64
  /// Over the pseudo header and the segment without destination, ports and sequence number.
  private let segmentSum: UInt64

  init(
    source: IPAddress, ttl: UInt8, flags: TCPFlags, window: UInt16, optionLength: Int,
    clock: (value: UInt32, offset: Int)?, options: (inout MutableSpan<UInt8>, Int) -> Void
  ) {
    let segmentLength = 20 &+ optionLength
    let headerLength = source.family == .v4 ? 20 : 40
    var bytes = [84 of UInt8](repeating: 0)
    var out = bytes.mutableSpan
    var headerSum: UInt64 = 0
    let pseudoHeader: PseudoHeader
    switch source {
    case .v4(let source):
      IPv4Header(
        source: source, destination: .unspecified, protocol: .tcp, payloadLength: segmentLength, ttl: ttl
      ).emit(into: &out)
      out.store16(0, at: 10)
      headerSum = Self.sum(out.span.slice(0, headerLength))
      pseudoHeader = PseudoHeader(source: .v4(source), destination: .v4(.unspecified), protocol: .tcp)
    case .v6(let source):
      IPv6Header(
        source: source, destination: .unspecified, nextHeader: .tcp, payloadLength: segmentLength, hopLimit: ttl
      ).emit(into: &out)
      pseudoHeader = PseudoHeader(source: .v6(source), destination: .v6(.unspecified), protocol: .tcp)
    }
    TCPHeader(sourcePort: 0, destinationPort: 0, sequence: SequenceNumber(0), flags: flags, window: window)
      .emit(into: &out, at: headerLength)
    out.store8(UInt8(truncatingIfNeeded: segmentLength << 2), at: headerLength &+ 12)
    options(&out, headerLength &+ 20)
    var checksum = Checksum()
    checksum.add(pseudoHeader, length: segmentLength)
    segmentSum = checksum.sum &+ Self.sum(out.span.slice(headerLength, headerLength &+ segmentLength))
    (self.source, self.clock, self.headerSum, self.bytes) = (source, clock, headerSum, bytes)
    (isIPv4, length) = (source.family == .v4, headerLength &+ segmentLength)
  }

  private static func sum(_ bytes: Span<UInt8>) -> UInt64 {
    var checksum = Checksum()
    checksum.add(bytes)
    return checksum.sum
  }

  func write(into out: inout MutableSpan<UInt8>, at offset: Int) {
    out.requireRoom(length, at: offset)
    out.store(bytes.span.slice(0, length), at: offset)
  }

  @inline(__always)
  func patch(
    into out: inout MutableSpan<UInt8>, at offset: Int, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16, timestamp: UInt32?
  ) {
    out.requireRoom(length, at: offset)
    var checksum = Checksum()
    checksum.sum = segmentSum
    checksum.add(destination)
    let tcp: Int
    switch destination {
    case .v4(let address):
      precondition(isIPv4, "an IPv6 template has no IPv4 destination")
      tcp = offset &+ 20
      out.store16(identification, at: offset &+ 4)
      out.store(address, at: offset &+ 16)
      let headerSum = headerSum &+ UInt64(identification) &+ UInt64(address.rawValue)
      out.store16(~Checksum.fold(headerSum), at: offset &+ 10)
    case .v6(let address):
      precondition(!isIPv4, "an IPv4 template has no IPv6 destination")
      tcp = offset &+ 40
      out.store(address, at: offset &+ 24)
    }
    let ports = UInt32(sourcePort) << 16 | UInt32(destinationPort)
    out.store32(ports, at: tcp)
    out.store32(sequence.rawValue, at: tcp &+ 4)
    checksum.add(ports)
    checksum.add(sequence.rawValue)
    if let clock {
      let timestamp = timestamp ?? clock.value
      out.store32(timestamp, at: tcp &+ clock.offset)
      // In ones' complement the bits reversed are the number taken away (RFC 1624).
      checksum.add(~clock.value)
      checksum.add(timestamp)
    }
    out.store16(checksum.value, at: tcp &+ 16)
  }
}
