// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct DescribeTests {
  private func expectTcpdump(_ packets: [[UInt8]], _ linkType: LinkType = .rawIP) throws {
    let expected = try Tcpdump.lines(packets, linkType)
    try #require(expected.count == packets.count, "tcpdump prints a line for each packet")
    for (packet, expected) in zip(packets, expected) {
      #expect(line(packet, linkType) == expected, "\(packet)")
    }
  }

  @Test func theLineOfASYN() {
    #expect(
      line(Sample.tcp(Sample.syn, from: .v4(v4a), to: .v4(v4b)))
        == "IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 1, win 64240, options [mss 1460], length 0")
  }

  @Test func everyKindOfPacketReadsAsInTcpdump() throws {
    try expectTcpdump(Sample.packets)
  }

  @Test func linkLayersAreLeftOut() throws {
    let packets = Sample.packets.prefix(4)
    try expectTcpdump(packets.map { Sample.ethernet($0) }, .ethernet)
    try expectTcpdump(packets.map { [$0[0] >> 4 == 4 ? 2 : 24, 0, 0, 0] + $0 }, .null)
    let tags = [VLANTag(type: .serviceVLAN, control: 7), VLANTag(control: 100)]
    try expectTcpdump(packets.map { Sample.ethernet($0, type: $0[0] >> 4 == 4 ? .ipv4 : .ipv6, tags: tags) }, .ethernet)
  }

  @Test func arpReadsAsInTcpdump() throws {
    let packets = [
      ARPPacket(.request, senderMAC: macA, senderIP: v4a, targetIP: v4b),
      ARPPacket(.request, senderMAC: macA, senderIP: v4a, targetMAC: macB, targetIP: v4b),
      ARPPacket(.reply, senderMAC: macB, senderIP: v4b, targetMAC: macA, targetIP: v4a),
    ]
    try expectTcpdump(packets.map { Sample.ethernet(Sample.arp($0), type: .arp) }, .ethernet)
  }

  /// TCP packets of every flag combination, with random numbers, options and payload, in both families.
  @Test func randomSegmentsReadAsInTcpdump() throws {
    var random = SeededGenerator(state: 6)
    let packets = (0..<3_000).map { round in
      var options = TCPOptionSummary()
      if Bool.random(using: &random) { options.mss = .random(in: 0 ... .max, using: &random) }
      if Bool.random(using: &random) { options.windowScale = .random(in: 0...255, using: &random) }
      options.sackPermitted = Bool.random(using: &random)
      if Bool.random(using: &random) {
        options.timestamps = TCPTimestamps(
          value: .random(in: 0 ... .max, using: &random), echo: .random(in: 0 ... .max, using: &random))
      }
      let header = TCPHeader(
        // Ports without a meaning to tcpdump, which would go on to read the payload.
        sourcePort: .random(in: 41_000...41_999, using: &random),
        destinationPort: .random(in: 41_000...41_999, using: &random),
        sequence: SequenceNumber(.random(in: 0 ... .max, using: &random)),
        acknowledgment: SequenceNumber(.random(in: 0 ... .max, using: &random)),
        flags: TCPFlags(rawValue: UInt8(truncatingIfNeeded: round)), window: .random(in: 0 ... .max, using: &random),
        urgentPointer: .random(in: 0 ... .max, using: &random), options: options)
      let payload = [UInt8](repeating: 0x61, count: Int.random(in: 0...3, using: &random) * 7)
      if Bool.random(using: &random) {
        return Sample.tcp(
          header, payload: payload, from: .v6(IPv6Address(high: random.next(), low: random.next())), to: .v6(v6b))
      }
      return Sample.tcp(
        header, payload: payload, from: .v4(IPv4Address(rawValue: .random(in: 0 ... .max, using: &random))),
        to: .v4(v4b))
    }
    try expectTcpdump(packets)
  }

  @Test(arguments: [
    "05 0a 00000001 00000002 01 01", "05 12 00000001 00000002 fffffffe 00000003 00 00", "22 02 01 01",
    "22 0a 0102030405060708 01 01", "1f 04 aa bb", "01 01 01 01", "00 00 00 00", "01 00 01 01",
  ])
  func rareOptionsReadAsInTcpdump(_ text: String) throws {
    let options = hex(text)
    var header = TCPHeader(sourcePort: 41000, destinationPort: 41001, sequence: SequenceNumber(1), flags: .ack)
    header.options.mss = nil
    var segment = [UInt8](repeating: 0xa5, count: 20)
    var span = segment.mutableSpan
    header.emit(into: &span)
    segment[12] = UInt8(20 + options.count) << 2
    segment += options
    try expectTcpdump([
      Sample.ip(from: .v4(v4a), to: .v4(v4b), .tcp, length: segment.count) { out, offset in
        for (index, byte) in segment.enumerated() { out[offset + index] = byte }
      }
    ])
  }

  @Test func udpReadsAsInTcpdump() throws {
    try expectTcpdump([
      Sample.ip(from: .v4(v4a), to: .v4(v4b), .udp, length: 12) { out, offset in
        for (index, byte) in hex("a028 a029 000c 0000 00000000").enumerated() { out[offset + index] = byte }
      }
    ])
  }

  @Test func whatDoesNotParseSaysWhy() {
    let packet = Sample.tcp(Sample.syn, from: .v4(v4a), to: .v4(v4b))
    #expect(line(Array(packet.prefix(30))).hasSuffix("[TCP at byte 0: needs 20 bytes, has 10]"))
    #expect(line([]) == "[IPv4 at byte 0: needs 20 bytes, has 0]")
  }
}
