// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
public import HalfOpenWire

/// What a sweep would do. Nothing is sent for it, and no right is needed.
public struct SweepPlan: Sendable {
  /// One way that some of the targets are reached.
  public struct Way: Hashable, Sendable {
    /// The interface that packets leave by.
    public var interface: String
    /// Our address on them.
    public var source: IPAddress
    /// Who gets them on the link; nil for the target itself, or where there is no link.
    public var gateway: IPAddress?
    /// How they leave; nil where the kernel's connections make them.
    public var transmit: SweepConfiguration.Transmit?
    /// Why so, in a sentence.
    public var why: String
  }

  /// Which engine would do the work.
  public var backend: CheckResult.Backend
  /// Why that one.
  public var why: String
  /// All targets of the sweep, or of its shard.
  public var targets: UInt64
  /// SYNs, if every target is silent.
  public var mostProbes: UInt64
  /// What the order follows from.
  public var seed: UInt64
  /// Threads that would send; further ones rest while the rate does not need them.
  public var senders: Int
  /// The ways to the targets, each once.
  public var ways: [Way]
  /// Targets that no way leads to.
  public var faults: [SweepFault]
  /// Source ports that would be taken, one for each pass. Others may be free by then.
  public var sourcePorts: [UInt16]
  /// The first packets as tcpdump prints them. The sequence numbers of a real run are its own.
  public var firstPackets: [String]
}

extension Sweep {
  /// What a sweep would do, in the calling thread's network namespace.
  ///
  /// - Parameter packets: how many of the first packets to show.
  /// - Throws: `CheckError`: no route to any target, no free source port, an interface that is down.
  public static func plan(
    _ targets: SweepTargets, configuration: SweepConfiguration = SweepConfiguration(), packets: Int = 8
  ) throws(CheckError) -> SweepPlan {
    try plan(targets: targets.targetSet, configuration: configuration, resume: nil, packets: packets)
  }

  /// - Parameter resume: where an earlier run of the same job was: the packets are those from there on.
  package static func plan(
    targets: TargetSet, configuration: SweepConfiguration, resume: SweepCheckpoint?, packets: Int = 8
  ) throws(CheckError) -> SweepPlan {
    let outline = try SweepOutline(
      targets: targets, configuration: configuration,
      seed: configuration.seed ?? resume?.seed ?? .random(in: .min ... .max))
    let job = try SweepJob(outline)
    let (backend, why) = choice(configuration)
    let isPacket = backend == .packet
    let count = job.positions.upperBound - job.positions.lowerBound
    let (probes, isTooMany) = count.multipliedReportingOverflow(by: UInt64(configuration.retries + 1))
    return SweepPlan(
      backend: backend, why: why, targets: count, mostProbes: isTooMany ? .max : probes, seed: outline.seed,
      senders: isPacket ? job.senders : 1, ways: job.ways(isPacket: isPacket),
      faults: job.paths.faults.map(SweepFault.init),
      sourcePorts: isPacket ? job.ports : [],
      firstPackets: isPacket ? job.firstPackets(packets, pass: resume?.pass ?? 0, from: resume?.cursor ?? 0) : [])
  }

  private static func choice(_ configuration: SweepConfiguration) -> (CheckResult.Backend, String) {
    guard configuration.engine != .connect else { return (.connect, "it was asked for") }
    #if HALFOPEN_LIBPCAP
      if Capabilities.probe().canSendAndCapture {
        return (.packet, configuration.engine == .packet ? "it was asked for" : "CAP_NET_RAW and libpcap are there")
      }
      let obstacle = "CAP_NET_RAW is missing; to have it, run once: \(Capabilities.grantCommand)"
    #else
      let obstacle = "this build has no libpcap"
    #endif
    return configuration.needsPackets ? (.packet, "it is needed, but \(obstacle)") : (.connect, obstacle)
  }
}

extension SweepConfiguration {
  /// No other engine can do what is asked for.
  var needsPackets: Bool { engine == .packet || transmit == .link || transmit == .xdp || gatewayMAC != nil }
}

extension SweepJob {
  fileprivate func ways(isPacket: Bool) -> [SweepPlan.Way] {
    paths.all.indices.map { index in
      let path = paths[index]
      var gateway: IPAddress?
      if case .gateway(let address) = path.reach.nextHop { gateway = address }
      return SweepPlan.Way(
        interface: path.interfaceName, source: path.source, gateway: gateway,
        transmit: isPacket ? SweepConfiguration.Transmit(rawValue: transmit.ways[index].rawValue) : nil,
        why: isPacket ? transmit.reasons[index] : "the kernel makes the packets")
    }
  }

  fileprivate func firstPackets(_ limit: Int, pass: Int, from start: UInt64) -> [String] {
    var lines: [String] = []
    var position = min(max(start, positions.lowerBound), positions.upperBound)
    // Targets without a way are passed over, but not for long.
    let end = min(positions.upperBound, position &+ UInt64(limit) &* 64)
    while position < end, lines.count < limit {
      let element = targets[order.target(at: position)]
      position += 1
      guard let path = paths.path(to: element) else { continue }
      let flow = Flow(address: element.address, port: element.port, localPort: port(of: pass))
      let template = ProbeTemplate(
        source: paths[path].source, ttl: configuration.ttl, layout: configuration.tcpOptions)
      let packet = PacketCopy(
        template, flow, sequence: cookie.sequence(source: paths[path].source, flow: flow))
      lines.append(Describe.line(packet.bytes.span, linkType: .rawIP))
    }
    return lines
  }
}
