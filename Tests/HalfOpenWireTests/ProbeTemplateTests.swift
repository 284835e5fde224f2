// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct ProbeTemplateTests {
  private static let sources: [IPAddress] = [.v4(v4a), .v6(v6a)]

  @Test(arguments: TCPOptionLayout.allCases, sources)
  func everyPatchedProbeIsWhole(_ layout: TCPOptionLayout, _ source: IPAddress) throws {
    let template = ProbeTemplate(source: source, ttl: 57, layout: layout, timestamp: 0x0102_0304)
    #expect(template.length == (source.family == .v4 ? 40 : 60) + layout.length)
    var random = SeededGenerator(state: 5)
    let stride = template.length + 3
    var buffer = [UInt8](repeating: 0xa5, count: 4 * stride)
    for slot in 0..<4 {
      var span = buffer.mutableSpan
      template.write(into: &span, at: slot * stride)
    }
    for round in 0..<500 {
      let offset = round % 4 * stride
      let destination: IPAddress =
        source.family == .v4
        ? .v4(IPv4Address(rawValue: UInt32.random(in: 0 ... .max, using: &random)))
        : .v6(IPv6Address(high: random.next(), low: random.next()))
      // Zeros and ones are where checksum arithmetic goes wrong.
      let port = round % 7 == 0 ? 0 : UInt16.random(in: 0 ... .max, using: &random)
      let sequence = round % 5 == 0 ? UInt32.max : UInt32.random(in: 0 ... .max, using: &random)
      let timestamp = round % 3 == 0 ? nil : UInt32.random(in: 0 ... .max, using: &random)
      var span = buffer.mutableSpan
      template.patch(
        into: &span, at: offset, destination: destination, sourcePort: port, destinationPort: 443,
        sequence: SequenceNumber(sequence), identification: UInt16(round), timestamp: timestamp)
      let packet = Array(buffer[offset..<(offset + template.length)])
      let frame = try frame(packet, .rawIP)
      let network = try #require(frame.network)
      #expect(network.source == source && network.destination == destination && network.ttl == 57)
      #expect(checksumIsValid(network.pseudoHeader, Array(packet[network.payload])))
      if source.family == .v4 {
        #expect(try headerChecksumIsValid(packet))
        #expect(network.identification == UInt16(round))
      }
      let header = try #require(frame.tcp)
      #expect(header.sourcePort == port && header.destinationPort == 443 && header.flags == .syn)
      #expect(header.sequence == SequenceNumber(sequence) && header.acknowledgment == SequenceNumber(0))
      #expect(header.options.mss == (source.family == .v4 ? 1460 : 1440))
      #expect(header.options.timestamps?.value == (layout.hasTimestamps ? timestamp ?? 0x0102_0304 : nil))
      #expect(buffer[offset + template.length] == 0xa5, "a patch stays in its slot")
    }
  }

  @Test(arguments: [
    (TCPOptionLayout.mss, "mss 1460"), (.linux, "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"),
    (.windows, "mss 1460,nop,wscale 8,nop,nop,sackOK"),
    (.bsd, "mss 1460,nop,wscale 6,nop,nop,TS val 1 ecr 0,sackOK,eol"),
  ])
  func layoutsAreThoseOfTheirSystems(_ layout: TCPOptionLayout, _ options: String) {
    let template = ProbeTemplate(source: .v4(v4a), layout: layout)
    var bytes = [UInt8](repeating: 0xa5, count: template.length)
    var span = bytes.mutableSpan
    template.write(into: &span)
    template.patch(
      into: &span, destination: .v4(v4b), sourcePort: 40000, destinationPort: 80, sequence: SequenceNumber(1))
    #expect(
      line(bytes)
        == "IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 1, win 64240, options [\(options)], length 0")
  }

  @Test(arguments: sources)
  func aResetIsBare(_ source: IPAddress) throws {
    let template = ResetTemplate(source: source)
    #expect(template.length == (source.family == .v4 ? 40 : 60))
    var bytes = [UInt8](repeating: 0xa5, count: template.length)
    var span = bytes.mutableSpan
    template.write(into: &span)
    template.patch(
      into: &span, destination: source, sourcePort: 40000, destinationPort: 80, sequence: SequenceNumber(9))
    let frame = try frame(bytes, .rawIP)
    let expected = TCPHeader(sourcePort: 40000, destinationPort: 80, sequence: SequenceNumber(9), flags: .rst)
    #expect(frame.tcp == expected)
    let network = try #require(frame.network)
    #expect(checksumIsValid(network.pseudoHeader, Array(bytes[network.payload])))
  }
}
