// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct FrameTests {
  private let syn4 = Sample.tcp(Sample.syn, from: .v4(v4a), to: .v4(v4b))
  private let syn6 = Sample.tcp(Sample.syn, from: .v6(v6a), to: .v6(v6b))

  @Test(arguments: [IPFamily.v4, .v6])
  func everyLinkTypeLeadsToTheSameHeaders(_ family: IPFamily) throws {
    let packet = family == .v4 ? syn4 : syn6
    let null: [UInt8] = [family == .v4 ? 2 : 10, 0, 0, 0]
    let type: EtherType = family == .v4 ? .ipv4 : .ipv6
    let tag = VLANTag(control: 0x2064)
    let frames: [(LinkType, [UInt8], Int)] = [
      (.ethernet, Sample.ethernet(packet), 14), (.rawIP, packet, 0), (.null, null + packet, 4),
      (.null, null.reversed() + packet, 4), (.linuxCooked, Sample.cooked(packet, version: .one), 16),
      (.linuxCooked2, Sample.cooked(packet, version: .two), 20),
      (.ethernet, Sample.ethernet(packet, type: type, tags: [tag]), 18),
      (.ethernet, Sample.ethernet(packet, type: type, tags: [VLANTag(type: .serviceVLAN, control: 7), tag]), 22),
    ]
    for (linkType, bytes, offset) in frames {
      let frame = try frame(bytes, linkType)
      #expect(frame.tcp == Sample.syn)
      let network = try #require(frame.network)
      #expect(network.source == (family == .v4 ? .v4(v4a) : .v6(v6a)))
      #expect(network.destination == (family == .v4 ? .v4(v4b) : .v6(v6b)))
      #expect(network.ttl == 64 && network.protocol == .tcp && network.offset == offset)
      #expect(checksumIsValid(network.pseudoHeader, Array(bytes[network.payload])))
      #expect(frame.payload.isEmpty && frame.payloadLength == 0, "padding is no payload")
    }
  }

  @Test func theLinkLayerIsKept() throws {
    let tags = [VLANTag(type: .serviceVLAN, control: 7), VLANTag(control: 0x2064)]
    let tagged = try frame(Sample.ethernet(syn4, type: .ipv4, tags: tags), .ethernet)
    #expect(tagged.link.source == macA && tagged.link.destination == macB)
    #expect(tagged.link.outerTag == tags[0] && tagged.link.innerTag?.identifier == 100)
    let cooked = try frame(Sample.cooked(syn4, version: .two), .linuxCooked2)
    #expect(cooked.link.interfaceIndex == 7 && cooked.link.packetType == .outgoing && cooked.link.source == macA)
  }

  @Test func payloadIsClampedToTheIPLength() throws {
    var header = Sample.syn
    header.flags = [.psh, .ack]
    let packet = Sample.tcp(header, payload: [1, 2], from: .v4(v4a), to: .v4(v4b))
    let bytes = Sample.ethernet(packet)
    #expect(bytes.count == 60)
    let frame = try frame(bytes, .ethernet)
    #expect(Array(bytes[frame.payload]) == [1, 2] && frame.payloadLength == 2)
  }

  @Test func aCaptureMayCutThePayload() throws {
    let packet = Sample.tcp(
      Sample.synAck, payload: [UInt8](repeating: 7, count: 1000), from: .v6(v6b), to: .v6(v6a))
    let frame = try frame(Array(packet.prefix(100)), .rawIP)
    #expect(frame.tcp == Sample.synAck)
    #expect(frame.payload.count == 20 && frame.payloadLength == 1000)
  }

  @Test func aPartialChecksumIsNoReasonToRefuse() throws {
    var bytes = syn4
    bytes[36] = 0x12
    #expect(try frame(bytes, .rawIP).tcp == Sample.syn)
  }

  @Test(arguments: [28, 27, 24, 23, 20, 19])
  func aQuoteSaysHowFarItGoes(_ length: Int) throws {
    let bytes = Sample.icmpError(type: 3, code: 13, quote: Array(syn4.prefix(length)))
    let frame = try frame(bytes, .rawIP)
    guard length >= 20 else {
      #expect(frame.transport == .icmp(type: 3, code: 13))
      return
    }
    let error = try #require(frame.icmpError)
    #expect(error.sender == .v4(v4router) && error.type == 3 && error.code == 13)
    #expect(error.quoted.source == .v4(v4a) && error.quoted.destination == .v4(v4b))
    #expect(error.quoted.depth == (length >= 28 ? .sequence : length >= 24 ? .ports : .addresses))
    #expect(error.quoted.destinationPort == (length >= 24 ? 80 : 0))
    #expect(error.quoted.sequence == SequenceNumber(length >= 28 ? 1 : 0))
  }

  @Test func routersMayChangeWhatTheyQuote() throws {
    var quote = Array(syn4.prefix(28))
    quote[2] = 0  // a total length of 4, as some systems write it in the wrong byte order
    quote[3] = 4
    quote[8] = 0  // TTL
    quote[10] ^= 0xff  // header checksum
    let frame = try frame(Sample.icmpError(type: 11, code: 0, quote: quote), .rawIP)
    #expect(frame.icmpError?.quoted.depth == .sequence)
  }

  @Test func icmpv6QuotesAreReadThroughExtensionHeaders() throws {
    var quote = syn6
    quote[6] = 0  // hop-by-hop options
    quote.insert(contentsOf: [6, 0, 1, 4, 0, 0, 0, 0], at: 40)
    quote[5] &+= 8
    let frame = try frame(Sample.icmpError(type: 1, code: 4, quote: quote), .rawIP)
    let error = try #require(frame.icmpError)
    #expect(error.quoted.protocol == .tcp && error.quoted.depth == .sequence && error.quoted.sourcePort == 40000)
    #expect(error.sender == .v6(v6router))
  }

  @Test func aLaterFragmentQuotedHasNoPorts() throws {
    var quote = syn4
    quote[7] = 1
    let frame = try frame(Sample.icmpError(type: 3, code: 1, quote: quote), .rawIP)
    #expect(frame.icmpError?.quoted.depth == .addresses)
  }

  @Test func laterFragmentsAreNoSegments() throws {
    var bytes = syn4
    bytes[6] = 0
    bytes[7] = 3
    let frame = try frame(bytes, .rawIP)
    #expect(frame.transport == .other && frame.network?.isFragment == true)
  }

  @Test func neighborMessagesCountOnlyFromTheLink() throws {
    let message = NeighborMessage(.solicitation, target: v6b, linkAddress: macA)
    #expect(try frame(Sample.neighbor(message), .rawIP).transport == .neighbor(message))
    let routed = Sample.neighbor(message, hopLimit: 254)
    #expect(try frame(routed, .rawIP).transport == .icmp(type: 135, code: 0))
  }

  @Test func arpIsRead() throws {
    let packet = ARPPacket(.reply, senderMAC: macB, senderIP: v4b, targetMAC: macA, targetIP: v4a)
    let bytes = Sample.ethernet(Sample.arp(packet), type: .arp)
    #expect(try frame(bytes, .ethernet).transport == .arp(packet))
  }

  @Test func errorsPointIntoTheFrame() {
    var bytes = Sample.ethernet(syn4)
    bytes[46] = 0x10  // data offset 4
    #expect(throws: WireError(.tcp, at: 46, .badHeaderLength(4))) {
      try frame(bytes, .ethernet)
    }
    #expect(throws: WireError(.ipv6, at: 14, .badVersion(4))) {
      try frame(Sample.ethernet(syn4, type: .ipv6), .ethernet)
    }
  }

  @Test func aTowerOfExtensionHeadersIsRefused() {
    let headers = [UInt8]((0..<9).flatMap { _ in [60, 0, 1, 4, 0, 0, 0, 0] as [UInt8] })
    let bytes = Sample.ip(from: .v6(v6a), to: .v6(v6b), .destinationOptions, length: headers.count) { out, offset in
      for (index, byte) in headers.enumerated() { out[offset + index] = byte }
    }
    #expect(throws: WireError(.ipv6, at: 104, .tooManyHeaders(limit: 8))) {
      try frame(bytes, .rawIP)
    }
  }
}
