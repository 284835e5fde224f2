// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// A reproducible source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

let v4a = IPv4Address(192, 0, 2, 1)
let v4b = IPv4Address(192, 0, 2, 2)
let v4router = IPv4Address(192, 0, 2, 254)
let v6a = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
let v6b = IPv6Address(high: 0x2001_0db8_0000_0000, low: 2)
let v6router = IPv6Address(high: 0x2001_0db8_0000_0000, low: 0xfe)
let macA = MACAddress(2, 0, 0, 0, 0, 1)
let macB = MACAddress(2, 0, 0, 0, 0, 2)

/// The bytes of spaced hexadecimal digits.
func hex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

// `#expect` takes no spans, so these stand between it and the library.

func frame(_ bytes: [UInt8], _ linkType: LinkType) throws(WireError) -> Frame {
  try Frame(bytes.span, linkType: linkType)
}

func line(_ bytes: [UInt8], _ linkType: LinkType = .rawIP) -> String { Describe.line(bytes.span, linkType: linkType) }

func tcpHeader(_ bytes: [UInt8]) throws(WireError) -> TCPHeader { try TCPHeader.parse(bytes.span) }

func options(_ bytes: [UInt8]) -> TCPOptionSummary { TCPOptionSummary(bytes.span) }

func checksumIsValid(_ pseudoHeader: PseudoHeader, _ segment: [UInt8]) -> Bool {
  pseudoHeader.checksumIsValid(segment.span)
}

func headerChecksumIsValid(_ packet: [UInt8]) throws(WireError) -> Bool { try IPv4View(packet.span).checksumIsValid }

/// Packets from their IP header on, built into buffers of 0xA5.
enum Sample {
  static func tcp(
    _ header: TCPHeader, payload: [UInt8] = [], from source: IPAddress, to destination: IPAddress
  ) -> [UInt8] {
    let pseudoHeader = PseudoHeader(source: source, destination: destination, protocol: .tcp)
    return ip(from: source, to: destination, .tcp, length: header.length + payload.count) { out, offset in
      for (index, byte) in payload.enumerated() { out[offset + header.length + index] = byte }
      header.emit(into: &out, at: offset, pseudoHeader: pseudoHeader, payloadLength: payload.count)
    }
  }

  static func ip(
    from source: IPAddress, to destination: IPAddress, _ protocol: IPProtocol, length: Int, hopLimit: UInt8 = 64,
    body: (inout MutableSpan<UInt8>, Int) -> Void
  ) -> [UInt8] {
    let start = source.family == .v4 ? 20 : 40
    var bytes = [UInt8](repeating: 0xa5, count: start + length)
    var out = bytes.mutableSpan
    switch (source, destination) {
    case (.v4(let source), .v4(let destination)):
      IPv4Header(source: source, destination: destination, protocol: `protocol`, payloadLength: length, ttl: hopLimit)
        .emit(into: &out)
    case (.v6(let source), .v6(let destination)):
      IPv6Header(
        source: source, destination: destination, nextHeader: `protocol`, payloadLength: length, hopLimit: hopLimit
      ).emit(into: &out)
    default:
      preconditionFailure("two families in one packet")
    }
    body(&out, start)
    return bytes
  }

  /// An ICMP or ICMPv6 error from the router about `quote`.
  static func icmpError(type: UInt8, code: UInt8, rest: UInt32 = 0, quote: [UInt8]) -> [UInt8] {
    if quote[0] >> 4 == 4 {
      return ip(from: .v4(v4router), to: .v4(v4a), .icmpv4, length: 8 + quote.count) { out, offset in
        for (index, byte) in quote.enumerated() { out[offset + 8 + index] = byte }
        ICMPv4Header(type: type, code: code, rest: rest).emit(into: &out, at: offset, payloadLength: quote.count)
      }
    }
    return ip(from: .v6(v6router), to: .v6(v6a), .icmpv6, length: 8 + quote.count) { out, offset in
      for (index, byte) in quote.enumerated() { out[offset + 8 + index] = byte }
      ICMPv6Header(type: type, code: code, rest: rest)
        .emit(into: &out, at: offset, source: v6router, destination: v6a, payloadLength: quote.count)
    }
  }

  static func neighbor(_ message: NeighborMessage, hopLimit: UInt8 = 255) -> [UInt8] {
    ip(from: .v6(v6a), to: .v6(v6b), .icmpv6, length: message.length, hopLimit: hopLimit) { out, offset in
      message.emit(into: &out, at: offset, source: v6a, destination: v6b)
    }
  }

  static func arp(_ packet: ARPPacket) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xa5, count: packet.length)
    var out = bytes.mutableSpan
    packet.emit(into: &out)
    return bytes
  }

  /// An Ethernet frame around a packet, padded to 60 bytes with 0xee as switches pad.
  static func ethernet(_ packet: [UInt8], type: EtherType? = nil, tags: [VLANTag] = []) -> [UInt8] {
    let type = type ?? (packet[0] >> 4 == 6 ? .ipv6 : .ipv4)
    let header = EthernetHeader(
      destination: macB, source: macA, type: type, outerTag: tags.first, innerTag: tags.dropFirst().first)
    var bytes = [UInt8](repeating: 0xa5, count: header.length)
    var out = bytes.mutableSpan
    header.emit(into: &out)
    bytes += packet
    while bytes.count < 60 { bytes.append(0xee) }
    return bytes
  }

  static func cooked(_ packet: [UInt8], version: LinuxCookedHeader.Version) -> [UInt8] {
    let header = LinuxCookedHeader(
      version: version, packetType: .outgoing, interfaceIndex: version == .two ? 7 : 0, address: macA,
      type: packet[0] >> 4 == 6 ? .ipv6 : .ipv4)
    var bytes = [UInt8](repeating: 0xa5, count: header.length)
    var out = bytes.mutableSpan
    header.emit(into: &out)
    return bytes + packet
  }

  static let linuxOptions = TCPOptionSummary(
    mss: 1460, windowScale: 7, sackPermitted: true, timestamps: TCPTimestamps(value: 0xdead_beef, echo: 0))

  static let syn = TCPHeader(
    sourcePort: 40000, destinationPort: 80, sequence: SequenceNumber(1), flags: .syn, window: 64240,
    options: TCPOptionSummary(mss: 1460))

  static let synAck = TCPHeader(
    sourcePort: 80, destinationPort: 40000, sequence: SequenceNumber(0xffff_ffff), acknowledgment: SequenceNumber(2),
    flags: [.syn, .ack], window: 65160, options: linuxOptions)

  /// One packet of every kind, from the IP header on.
  static var packets: [[UInt8]] {
    let syn4 = tcp(syn, from: .v4(v4a), to: .v4(v4b))
    let syn6 = tcp(syn, from: .v6(v6a), to: .v6(v6b))
    var packets = [
      syn4, syn6,
      tcp(synAck, from: .v4(v4b), to: .v4(v4a)), tcp(synAck, from: .v6(v6b), to: .v6(v6a)),
      tcp(
        TCPHeader(sourcePort: 40000, destinationPort: 81, sequence: SequenceNumber(2), flags: .rst),
        from: .v4(v4a), to: .v4(v4b)),
      tcp(
        TCPHeader(
          sourcePort: 81, destinationPort: 40000, sequence: SequenceNumber(0), acknowledgment: SequenceNumber(2),
          flags: [.rst, .ack]), from: .v4(v4b), to: .v4(v4a)),
      tcp(
        TCPHeader(
          sourcePort: 40000, destinationPort: 8081, sequence: SequenceNumber(0xffff_fffe),
          acknowledgment: SequenceNumber(9), flags: [.psh, .ack, .urg, .ece, .cwr, .fin], window: 1, urgentPointer: 3,
          options: TCPOptionSummary(timestamps: TCPTimestamps(value: 1, echo: 2))),
        payload: Array("hello".utf8), from: .v4(v4a), to: .v4(v4b)),
      tcp(
        TCPHeader(sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(3), flags: []), from: .v6(v6a),
        to: .v6(v6b)),
      neighbor(NeighborMessage(.solicitation, target: v6b, linkAddress: macA)),
      neighbor(NeighborMessage(.advertisement, target: v6b, linkAddress: macB, isSolicited: true, isOverride: true)),
      neighbor(NeighborMessage(.advertisement, target: v6b)),
      icmpError(type: 8, code: 0, rest: 0x0001_0002, quote: Array(syn4.prefix(28))),
      icmpError(type: 0, code: 0, rest: 0x0001_0002, quote: Array(syn4.prefix(28))),
      icmpError(type: 128, code: 0, rest: 0x0001_0002, quote: syn6),
      icmpError(type: 129, code: 0, rest: 0x0001_0002, quote: syn6),
      icmpError(type: 5, code: 1, rest: v4b.rawValue, quote: Array(syn4.prefix(28))),
    ]
    for code in 0...16 as ClosedRange<UInt8> {
      packets.append(icmpError(type: 3, code: code, rest: code == 4 ? 1280 : 0, quote: Array(syn4.prefix(28))))
    }
    for (type, code) in [(4, 0), (11, 0), (11, 1), (11, 2), (12, 0), (12, 1)] as [(UInt8, UInt8)] {
      packets.append(icmpError(type: type, code: code, rest: 0x0900_0000, quote: syn4))
    }
    for code in 0...4 as ClosedRange<UInt8> {
      packets.append(icmpError(type: 1, code: code, quote: syn6))
    }
    for (type, code) in [(2, 0), (3, 0), (3, 1), (3, 7), (4, 0), (4, 1), (4, 2), (4, 3), (4, 9)] as [(UInt8, UInt8)] {
      packets.append(icmpError(type: type, code: code, rest: 1280, quote: syn6))
    }
    packets.append(contentsOf: odd)
    return packets
  }

  /// Fragments and extension headers, which no emitter of the library makes.
  private static var odd: [[UInt8]] {
    let segment = Array(tcp(syn, from: .v6(v6a), to: .v6(v6b)).dropFirst(40))
    func ipv6(_ first: IPProtocol, _ headers: [UInt8]) -> [UInt8] {
      let body = headers + segment
      return ip(from: .v6(v6a), to: .v6(v6b), first, length: body.count) { out, offset in
        for (index, byte) in body.enumerated() { out[offset + index] = byte }
      }
    }
    func ipv4(_ fragmentOffset: Int, more: Bool) -> [UInt8] {
      let header = IPv4Header(
        source: v4a, destination: v4b, protocol: .tcp, payloadLength: 24, dontFragment: false, moreFragments: more,
        fragmentOffset: fragmentOffset)
      var bytes = [UInt8](repeating: 0xa5, count: 44)
      var out = bytes.mutableSpan
      header.emit(into: &out)
      syn.emit(into: &out, at: 20)
      return bytes
    }
    var withOptions = tcp(syn, from: .v4(v4a), to: .v4(v4b))
    // Router alert (RFC 2113), and a header length and total length that include it.
    withOptions.insert(contentsOf: [0x94, 0x04, 0x00, 0x00], at: 20)
    withOptions[0] = 0x46
    withOptions[3] &+= 4
    return [
      ipv6(.hopByHop, hex("06 00 05 02 00 00 01 00")),
      ipv6(.destinationOptions, hex("06 00 01 04 00 00 00 00")),
      ipv6(.fragment, hex("06 00 00 01 00 00 00 07")),
      ipv6(.fragment, hex("06 00 00 10 00 00 00 07")),
      ipv6(.hopByHop, hex("3c 00 01 04 00 00 00 00 06 00 01 04 00 00 00 00")),
      ipv4(0, more: true), ipv4(48, more: false), withOptions,
    ]
  }
}
