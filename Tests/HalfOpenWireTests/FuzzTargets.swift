// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// What a fuzzer, the committed corpus and the sweeps feed bytes to. scripts/fuzz compiles this very file.
///
/// A run must not trap; beyond that, whatever parses must survive emit and parse unchanged.
enum FuzzTarget: String, CaseIterable, Sendable {
  case ethernet, cooked, arp, ipv4, ipv6, tcp, tcpoptions, icmpv4, icmpv6, ndp, quoted, frame, describe, addresses

  func run(_ bytes: Span<UInt8>) {
    switch self {
    case .ethernet: fuzzEthernet(bytes)
    case .cooked: fuzzCooked(bytes)
    case .arp: fuzzArp(bytes)
    case .ipv4: fuzzIpv4(bytes)
    case .ipv6: fuzzIpv6(bytes)
    case .tcp: fuzzTcp(bytes)
    case .tcpoptions: fuzzTcpOptions(bytes)
    case .icmpv4: fuzzIcmpv4(bytes)
    case .icmpv6: fuzzIcmpv6(bytes)
    case .ndp: fuzzNeighborDiscovery(bytes)
    case .quoted: fuzzQuoted(bytes)
    case .frame: fuzzFrame(bytes)
    case .describe: fuzzDescribe(bytes)
    case .addresses: fuzzAddresses(bytes)
    }
  }
}

/// Link types in the order in which the first byte of an input picks them.
let fuzzedLinkTypes: [LinkType] = [.ethernet, .rawIP, .linuxCooked, .linuxCooked2, .null]

private let source = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
private let destination = IPv6Address(high: 0x2001_0db8_0000_0000, low: 2)

/// Reads every byte, so that the address sanitizer sees a span that reaches too far.
@inline(never)
@discardableResult
private func touch(_ bytes: Span<UInt8>) -> UInt8 {
  var sum: UInt8 = 0
  for index in bytes.indices { sum &+= bytes[index] }
  return sum
}

/// Emits into a buffer of 0xA5 bytes, so that a byte the emitter forgets shows, and hands the result to `check`.
private func emitted(
  _ length: Int, _ emit: (inout MutableSpan<UInt8>, Int) -> Void, check: (Span<UInt8>) -> Void
) {
  let margin = 3
  var buffer = [UInt8](repeating: 0xa5, count: length + 2 * margin)
  var span = buffer.mutableSpan
  emit(&span, margin)
  let whole = buffer.span
  for index in whole.indices where index < margin || index >= length + margin {
    precondition(whole[index] == 0xa5, "an emitter wrote outside its length")
  }
  check(whole.extracting(margin..<(margin + length)))
}

private func fuzzEthernet(_ bytes: Span<UInt8>) {
  guard let view = try? EthernetView(bytes) else { return }
  touch(view.payload)
  let header = EthernetHeader(view)
  precondition(header.length == view.headerLength)
  emitted(header.length, { header.emit(into: &$0, at: $1) }) {
    precondition((try? EthernetHeader.parse($0)) == header)
    for index in $0.indices { precondition($0[index] == bytes[index]) }
  }
}

private func fuzzCooked(_ bytes: Span<UInt8>) {
  for version in [LinuxCookedHeader.Version.one, .two] {
    guard let header = try? LinuxCookedHeader(bytes, version: version) else { continue }
    emitted(header.length, { header.emit(into: &$0, at: $1) }) {
      precondition((try? LinuxCookedHeader($0, version: version)) == header)
    }
  }
}

private func fuzzArp(_ bytes: Span<UInt8>) {
  guard let packet = try? ARPPacket.parse(bytes) else { return }
  emitted(packet.length, { packet.emit(into: &$0, at: $1) }) {
    precondition((try? ARPPacket.parse($0)) == packet)
    for index in $0.indices { precondition($0[index] == bytes[index]) }
  }
}

private func fuzzIpv4(_ bytes: Span<UInt8>) {
  guard let view = try? IPv4View(bytes) else { return }
  touch(view.payload)
  touch(view.options)
  _ = (view.checksum, view.checksumIsValid, view.isFragment)
  precondition(view.payload.count <= view.payloadLength)
  var header = IPv4Header(view)
  // Without the options there may be more room than 16 bits can say.
  header.payloadLength = min(header.payloadLength, 65515)
  emitted(header.length, { header.emit(into: &$0, at: $1) }) {
    precondition((try? IPv4Header.parse($0)) == header)
    precondition((try? IPv4View($0).checksumIsValid) == true)
  }
}

private func fuzzIpv6(_ bytes: Span<UInt8>) {
  guard let view = try? IPv6View(bytes) else { return }
  touch(view.payload)
  if let upper = try? view.upperLayer() {
    precondition(upper.offset >= 40 && upper.offset <= bytes.count)
  }
  let header = IPv6Header(view)
  emitted(header.length, { header.emit(into: &$0, at: $1) }) {
    precondition((try? IPv6Header.parse($0)) == header)
    for index in $0.indices { precondition($0[index] == bytes[index]) }
  }
}

private func fuzzTcp(_ bytes: Span<UInt8>) {
  guard let view = try? TCPView(bytes) else { return }
  touch(view.payload)
  _ = (view.checksum, view.reserved)
  var header = TCPHeader(view)
  precondition(header.options.isEmpty || view.headerLength > 20)
  header.options.hasOthers = false
  let pseudoHeader = PseudoHeader(source: .v6(source), destination: .v6(destination), protocol: .tcp)
  emitted(header.length, { header.emit(into: &$0, at: $1, pseudoHeader: pseudoHeader) }) {
    precondition((try? TCPHeader.parse($0)) == header)
    precondition(pseudoHeader.checksumIsValid($0))
  }
}

private func fuzzTcpOptions(_ bytes: Span<UInt8>) {
  var iterator = TCPOptionIterator(bytes)
  var expected = TCPOptionSummary()
  var count = 0
  while let option = iterator.next() {
    count += 1
    precondition(count <= bytes.count, "an option of no length")
    switch option {
    case .noOperation: break
    case .maximumSegmentSize(let size): expected.mss = size
    case .windowScale(let shift): expected.windowScale = shift
    case .sackPermitted: expected.sackPermitted = true
    case .timestamps(let clocks): expected.timestamps = clocks
    case .sack(let blocks):
      for index in -1...4 { precondition((blocks[index] != nil) == (0..<blocks.count ~= index)) }
      expected.hasOthers = true
    case .unknown(_, let data):
      precondition(data.lowerBound >= 2 && data.upperBound <= bytes.count)
      expected.hasOthers = true
    }
  }
  precondition(iterator.next() == nil)
  precondition(TCPOptionSummary(bytes) == expected, "the summary and the iterator disagree")
  expected.hasOthers = false
  emitted(expected.length, { expected.emit(into: &$0, at: $1) }) {
    precondition(TCPOptionSummary($0) == expected)
    precondition($0.count % 4 == 0)
  }
}

private func fuzzIcmpv4(_ bytes: Span<UInt8>) {
  guard let view = try? ICMPv4View(bytes) else { return }
  touch(view.body)
  _ = (view.checksum, view.checksumIsValid, view.isError)
  let header = ICMPv4Header(view)
  emitted(header.length, { header.emit(into: &$0, at: $1) }) {
    precondition((try? ICMPv4Header.parse($0)) == header)
    precondition((try? ICMPv4View($0).checksumIsValid) == true)
  }
}

private func fuzzIcmpv6(_ bytes: Span<UInt8>) {
  guard let view = try? ICMPv6View(bytes) else { return }
  touch(view.body)
  _ = (view.checksum, view.isError)
  let header = ICMPv6Header(view)
  let pseudoHeader = PseudoHeader(source: .v6(source), destination: .v6(destination), protocol: .icmpv6)
  emitted(header.length, { header.emit(into: &$0, at: $1, source: source, destination: destination) }) {
    precondition((try? ICMPv6Header.parse($0)) == header)
    precondition(pseudoHeader.checksumIsValid($0))
  }
}

private func fuzzNeighborDiscovery(_ bytes: Span<UInt8>) {
  guard let message = try? NeighborMessage.parse(bytes) else { return }
  let pseudoHeader = PseudoHeader(source: .v6(source), destination: .v6(destination), protocol: .icmpv6)
  emitted(message.length, { message.emit(into: &$0, at: $1, source: source, destination: destination) }) {
    precondition((try? NeighborMessage.parse($0)) == message)
    precondition(pseudoHeader.checksumIsValid($0))
  }
}

private func fuzzQuoted(_ bytes: Span<UInt8>) {
  for family in IPFamily.allCases {
    guard let packet = try? QuotedPacket(bytes, family: family) else { continue }
    precondition(packet.source.family == family && packet.destination.family == family)
    precondition(packet.depth >= .ports || (packet.sourcePort == 0 && packet.destinationPort == 0))
    precondition(packet.depth >= .sequence || packet.sequence == SequenceNumber(0))
  }
}

private func fuzzFrame(_ bytes: Span<UInt8>) {
  for linkType in fuzzedLinkTypes {
    do {
      let frame = try Frame(bytes, linkType: linkType)
      precondition(frame.payload.lowerBound >= 0 && frame.payload.upperBound <= bytes.count)
      precondition(frame.payloadLength >= frame.payload.count)
      if let network = frame.network {
        precondition(network.payload.lowerBound >= 0 && network.payload.upperBound <= bytes.count)
        _ = network.pseudoHeader.checksumIsValid(bytes.extracting(network.payload))
      } else {
        precondition(frame.tcp == nil && frame.icmpError == nil)
      }
    } catch {
      precondition(error.offset >= 0 && error.offset <= bytes.count + 2048, "an error points far out of the frame")
      precondition(!error.description.isEmpty)
    }
  }
}

private func fuzzDescribe(_ bytes: Span<UInt8>) {
  for linkType in fuzzedLinkTypes {
    precondition(!Describe.line(bytes, linkType: linkType).isEmpty)
  }
}

private func fuzzAddresses(_ bytes: Span<UInt8>) {
  var copy: [UInt8] = []
  for index in bytes.indices { copy.append(bytes[index]) }
  let text = String(decoding: copy, as: UTF8.self)
  if let address = IPAddress(text) { precondition(IPAddress(address.description) == address) }
  if let address = IPv6Address(text) { precondition(IPv6Address(address.description) == address) }
  if let address = IPv4Address(text) { precondition(address.description == text) }
  if let address = MACAddress(text) { precondition(MACAddress(address.description) == address) }
  guard copy.count >= 16 else { return }
  var raw = [16 of UInt8](repeating: 0)
  for index in 0..<16 { raw[index] = copy[index] }
  let address = IPv6Address(bytes: raw)
  precondition(IPv6Address(address.description) == address)
  for index in 0..<16 { precondition(address.bytes[index] == raw[index]) }
}
