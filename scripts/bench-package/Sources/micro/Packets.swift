// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

@testable import HalfOpen

/// What is swept: 2^20 addresses of a family, or others, and one port; with a key that does not change.
struct Field {
  static let port: UInt16 = 443
  static let ports: [UInt16] = [61_000, 61_001]
  let family: IPFamily
  let source: IPAddress
  let targets: TargetSet
  let order: ProbeOrder
  let cookie = SweepCookie(hash: SipHash(key: (3, 4)))

  init(_ family: IPFamily, hosts: String? = nil) throws {
    self.family = family
    source =
      family == .v4 ? .v4(IPv4Address(10, 200, 0, 1)) : .v6(IPv6Address(high: 0xfd20 << 48, low: 1))
    let hosts = hosts ?? (family == .v4 ? "10.64.0.0/12" : "fd64::/108")
    targets = try SweepTargets([hosts], ports: "\(Field.port)").targetSet
    order = ProbeOrder(count: targets.count, seed: 7)
  }

  var matcher: ReplyMatcher {
    ReplyMatcher(
      targets: targets, order: order, positions: 0..<targets.count, cookie: cookie, ports: Field.ports, passes: 2,
      zones: [:])
  }

  func flow(at position: UInt64) -> Flow {
    let element = targets[order.target(at: position)]
    return Flow(address: element.address, port: element.port, localPort: Field.ports[0])
  }

  /// What a probe's target may answer.
  enum Kind: String, CaseIterable { case synAck = "SYN-ACK", reset = "RST", icmp = "ICMP error" }

  /// A packet from its IP header on.
  func reply(_ kind: Kind, to position: UInt64) -> [UInt8] {
    let flow = flow(at: position)
    let sequence = cookie.sequence(source: source, flow: flow)
    let isReset = kind == .reset
    let header = TCPHeader(
      sourcePort: flow.port, destinationPort: flow.localPort, sequence: SequenceNumber(isReset ? 0 : 0xfeed_0000),
      acknowledgment: sequence + 1, flags: isReset ? [.rst, .ack] : [.syn, .ack], window: isReset ? 0 : 65_535,
      options: isReset ? .init() : .init(mss: 1460))
    switch kind {
    case .synAck, .reset: return packet(from: flow.address, .tcp, header.length) { header.emit(into: &$0, at: $1) }
    case .icmp:
      let syn = PacketCopy(ProbeTemplate(source: source), flow, sequence: sequence).bytes
      let isIPv4 = family == .v4
      return packet(from: flow.address, isIPv4 ? .icmpv4 : .icmpv6, 8 + syn.count) { out, start in
        out[start] = isIPv4 ? 3 : 1
        out[start + 1] = isIPv4 ? 13 : 1
        for (index, byte) in syn.enumerated() { out[start + 8 + index] = byte }
      }
    }
  }

  private func packet(
    from sender: IPAddress, _ protocol: IPProtocol, _ length: Int, body: (inout MutableSpan<UInt8>, Int) -> Void
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (family == .v4 ? 20 : 40) + length)
    var out = bytes.mutableSpan
    switch (sender, source) {
    case (.v4(let from), .v4(let to)):
      IPv4Header(source: from, destination: to, protocol: `protocol`, payloadLength: length).emit(into: &out)
      body(&out, 20)
    case (.v6(let from), .v6(let to)):
      IPv6Header(source: from, destination: to, nextHeader: `protocol`, payloadLength: length).emit(into: &out)
      body(&out, 40)
    default: break
    }
    return bytes
  }
}

extension Benchmark {
  /// Of packets: craft, parse, match.
  static func packets() throws -> [Benchmark] {
    try IPFamily.allCases.flatMap { family in
      let field = try Field(family)
      return [patch(field), probe(field)] + Field.Kind.allCases.flatMap { [parse(field, $0), match(field, $0)] }
    }
  }

  /// A batch's slots.
  private static let slots = 64
  private static let slotSize = 128

  private static func patch(_ field: Field) -> Benchmark {
    let template = ProbeTemplate(source: field.source)
    let destination = field.flow(at: 1).address
    return Benchmark("craft: patch a SYN, \(field.family)") { count in
      var buffer = [UInt8](repeating: 0, count: slots * slotSize)
      var bytes = buffer.mutableSpan
      for slot in 0..<slots { template.write(into: &bytes, at: slot * slotSize) }
      for index in 0..<count {
        let number = UInt32(truncatingIfNeeded: index)
        template.patch(
          into: &bytes, at: (index & (slots - 1)) * slotSize, destination: destination, sourcePort: Field.ports[0],
          destinationPort: UInt16(truncatingIfNeeded: index), sequence: SequenceNumber(number &* 0x9e37_79b9))
      }
      return UInt64(bytes[slotSize + 38])
    }
  }

  private static func probe(_ field: Field) -> Benchmark {
    let template = ProbeTemplate(source: field.source)
    return Benchmark("craft: position to target, cookie and SYN, \(field.family)") { count in
      var buffer = [UInt8](repeating: 0, count: slots * slotSize)
      var bytes = buffer.mutableSpan
      for slot in 0..<slots { template.write(into: &bytes, at: slot * slotSize) }
      let start = field.cookie.start(source: field.source, localPort: Field.ports[0])
      for index in 0..<count {
        let flow = field.flow(at: UInt64(index) & (field.targets.count - 1))
        template.patch(
          into: &bytes, at: (index & (slots - 1)) * slotSize, destination: flow.address, sourcePort: flow.localPort,
          destinationPort: flow.port, sequence: start.sequence(to: flow.address, port: flow.port))
      }
      return UInt64(bytes[slotSize + 38])
    }
  }

  private static func parse(_ field: Field, _ kind: Field.Kind) -> Benchmark {
    let packets = (0..<256).map { field.reply(kind, to: $0) }
    return Benchmark("parse: \(kind.rawValue), \(field.family)") { count in
      var read = 0
      for index in 0..<count {
        let packet = packets[index & 255]
        guard let frame = try? Frame(packet.span, linkType: .rawIP) else { continue }
        if kind == .icmp ? frame.icmpError != nil : frame.tcp != nil { read += 1 }
      }
      precondition(read == count)
      return UInt64(read)
    }
  }

  private static func match(_ field: Field, _ kind: Field.Kind) -> Benchmark {
    let matcher = field.matcher
    let frames = (0..<256).compactMap { try? Frame(field.reply(kind, to: $0).span, linkType: .rawIP) }
    return Benchmark("match: \(kind.rawValue), \(field.family)") { count in
      var (matched, sum) = (0, UInt64(0))
      for index in 0..<count {
        guard case .match(let match) = matcher.look(frames[index & 255], interface: 1, time: 0) else { continue }
        matched += 1
        sum &+= match.position
      }
      precondition(matched == count)
      return sum
    }
  }
}
