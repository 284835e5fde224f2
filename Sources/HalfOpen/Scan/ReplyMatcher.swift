// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Tells which position a captured packet answers, by what it carries: nothing is remembered of a probe.
///
/// A SYN's sequence number is a keyed hash of its addresses and ports. So a SYN-ACK or RST that acknowledges it, or an
/// ICMP error that quotes it, comes from who has seen the probe.
struct ReplyMatcher: Sendable {
  /// What a packet is to the sweep.
  enum Answer: Sendable {
    case match(Match)
    /// A RST of the host's own, on its way out: for the SYN-ACK to a probe of ours.
    case ownReset(Flow)
    /// It looks like an answer and fits no probe.
    case unmatched
    /// It is none of the sweep's business.
    case other
  }

  /// An answer to a probe.
  struct Match: Sendable {
    var position: UInt64
    /// The pass of the probe that was answered; nil where two passes use the same source port.
    var pass: Int?
    /// The place of the target's zone in the target set, 0 for none.
    var zone = 0
    var result: SweepResult
    /// The RST that is due, and from which address of ours: for a SYN-ACK.
    var reset: (flow: Flow, source: IPAddress, sequence: SequenceNumber)?
  }

  private let targets: TargetSet
  private let order: ProbeOrder
  private let positions: Range<UInt64>
  private let cookie: SweepCookie
  /// By pass.
  private let ports: [UInt16]
  /// Passes that have a port for themselves.
  private let distinct: Int
  /// The place in the target set's zones, for interfaces that scoped targets name.
  private let zones: [UInt32: Int]

  /// - Parameters:
  ///   - ports: by pass; further passes use the last.
  ///   - passes: how many there are.
  ///   - zones: by interface.
  init(
    targets: TargetSet, order: ProbeOrder, positions: Range<UInt64>, cookie: SweepCookie, ports: [UInt16], passes: Int,
    zones: [UInt32: Int]
  ) {
    self.targets = targets
    self.order = order
    self.positions = positions
    self.cookie = cookie
    self.ports = ports
    distinct = passes > ports.count ? ports.count - 1 : ports.count
    self.zones = zones
  }

  /// Looks at a packet captured on `interface`, with its wall time in nanoseconds.
  func look(_ frame: borrowing Frame, interface: UInt32, time: Int64) -> Answer {
    guard let network = frame.network else { return .other }
    if let segment = frame.tcp { return look(segment, network, interface: interface, time: time) }
    if let error = frame.icmpError { return look(error, network, interface: interface, time: time) }
    return .other
  }

  private func look(
    _ segment: TCPHeader, _ network: Frame.Network, interface: UInt32, time: Int64
  ) -> Answer {
    let isReset = segment.flags.contains(.rst)
    guard isReset || segment.flags.contains([.syn, .ack]) else { return .other }
    let flow = Flow(address: network.source, port: segment.sourcePort, localPort: segment.destinationPort)
    guard let (position, zone) = position(of: flow, interface: interface) else {
      return isReset ? lookAtOwn(segment, network, interface: interface) : .unmatched
    }
    let sequence = cookie.sequence(source: network.destination, flow: flow)
    if isReset {
      // Without ACK it proves nothing (RFC 9293 section 3.10.7.3). Some stacks acknowledge the SYN's own number.
      guard segment.flags.contains(.ack),
        segment.acknowledgment == sequence + 1 || segment.acknowledgment == sequence
      else { return .unmatched }
    } else {
      guard segment.acknowledgment == sequence + 1 else { return .unmatched }
    }
    let pass = pass(of: flow.localPort)
    let result = SweepResult(
      time: time, port: flow.port, zone: targets.zoneName(zone),
      verdict: CheckResult(
        address: flow.address, state: isReset ? .closed : .open, reason: isReset ? .reset : .synAck,
        transmissions: (pass ?? 0) + 1, handshake: isReset ? .none : .halfOpen, backend: .packet,
        flags: !isReset && segment.window == 0 && segment.options.isEmpty ? .suspectedSynProxy : [],
        answer: .init(ttl: network.ttl, window: segment.window, options: segment.options)),
      reply: .init(
        localAddress: network.destination, localPort: flow.localPort, identification: network.identification,
        sequence: segment.sequence, acknowledgment: segment.acknowledgment, isAfterSending: false))
    return .match(
      Match(
        position: position, pass: pass, zone: zone, result: result,
        reset: isReset ? nil : (flow, network.destination, segment.acknowledgment)))
  }

  /// A RST that acknowledges nothing of ours, or comes from us. Ours has the number that the SYN-ACK acknowledged, which
  /// nobody can guess: else a stranger could say that the kernel resets.
  private func lookAtOwn(_ segment: TCPHeader, _ network: Frame.Network, interface: UInt32) -> Answer {
    let flow = Flow(address: network.destination, port: segment.destinationPort, localPort: segment.sourcePort)
    guard position(of: flow, interface: interface) != nil,
      segment.sequence == cookie.sequence(source: network.source, flow: flow) + 1
    else { return .unmatched }
    return .ownReset(flow)
  }

  private func look(_ error: ICMPError, _ network: Frame.Network, interface: UInt32, time: Int64) -> Answer {
    let quoted = error.quoted
    guard quoted.protocol == .tcp, quoted.depth == .sequence else { return .unmatched }
    let flow = Flow(address: quoted.destination, port: quoted.destinationPort, localPort: quoted.sourcePort)
    guard let (position, zone) = position(of: flow, interface: interface),
      quoted.sequence == cookie.sequence(source: quoted.source, flow: flow)
    else { return .unmatched }
    let pass = pass(of: flow.localPort)
    let reason =
      switch flow.address {
      case .v4: Reason(icmpv4Type: error.type, code: error.code)
      case .v6: Reason(icmpv6Type: error.type, code: error.code)
      }
    let result = SweepResult(
      time: time, port: flow.port, zone: targets.zoneName(zone),
      verdict: CheckResult(
        address: flow.address, state: .unreachable, reason: reason, transmissions: (pass ?? 0) + 1, handshake: .none,
        backend: .packet, icmp: .init(type: error.type, code: error.code, sender: network.source)),
      reply: .init(
        localAddress: quoted.source, localPort: flow.localPort, identification: network.identification,
        sequence: quoted.sequence, acknowledgment: SequenceNumber(0), isAfterSending: false))
    return .match(Match(position: position, pass: pass, zone: zone, result: result, reset: nil))
  }

  /// The position of a probe to that address and port, from a port of ours, and the target's zone: nil if there is none.
  @inline(__always)
  private func position(of flow: Flow, interface: UInt32) -> (position: UInt64, zone: Int)? {
    guard ports.contains(flow.localPort) else { return nil }
    var (index, zone): (UInt64?, Int) = (nil, 0)
    if !zones.isEmpty, let scoped = zones[interface] {
      index = targets.index(of: .init(address: flow.address, port: flow.port, zone: scoped))
      if index != nil { zone = scoped }
    }
    guard let index = index ?? targets.index(of: .init(address: flow.address, port: flow.port)) else { return nil }
    let position = order.position(of: index)
    return positions.contains(position) ? (position, zone) : nil
  }

  private func pass(of port: UInt16) -> Int? {
    ports.firstIndex(of: port).flatMap { $0 < distinct ? $0 : nil }
  }
}

/// Sequence numbers that prove a reply's claim to have seen a probe: a keyed hash of its addresses and ports, with
/// another key in each run.
struct SweepCookie: Sendable {
  private let hash: SipHash

  init(hash: SipHash = SipHash()) { self.hash = hash }

  @inline(__always)
  func sequence(source: IPAddress, flow: Flow) -> SequenceNumber {
    start(source: source, localPort: flow.localPort).sequence(to: flow.address, port: flow.port)
  }

  /// What the numbers of all probes from one address and port begin with.
  @inline(__always)
  func start(source: IPAddress, localPort: UInt16) -> Start {
    switch source {
    case .v4(let address):
      return Start(state: hash.state(behind: UInt64(address.rawValue) << 32 | UInt64(localPort)))
    case .v6(let address):
      var state = hash.state(behind: UInt64(localPort))
      state.absorb(address.high)
      state.absorb(address.low)
      return Start(state: state)
    }
  }

  struct Start: Sendable {
    fileprivate let state: SipHash.State

    /// - Parameter address: of the source's family.
    @inline(__always)
    func sequence(to address: IPAddress, port: UInt16) -> SequenceNumber {
      var state = state
      let number: UInt64
      switch address {
      case .v4(let address): number = state.finish(UInt64(address.rawValue) << 16 | UInt64(port), length: 14)
      case .v6(let address):
        state.absorb(address.high)
        state.absorb(address.low)
        number = state.finish(UInt64(port), length: 42)
      }
      return SequenceNumber(UInt32(truncatingIfNeeded: number))
    }
  }
}
