// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// How to sweep. The defaults are polite.
public struct SweepConfiguration: Hashable, Sendable {
  /// Which engine does the work.
  public enum Engine: String, Hashable, Sendable, CaseIterable {
    /// `packet` where the process may use it, else `connect`.
    case auto
    /// Hand-built packets: any rate, a bit of memory a target. Needs CAP_NET_RAW and libpcap.
    case packet
    /// A check of the connect engine for each target: thousands a second, no privilege. The time to live, TCP options,
    /// reset policy and source addresses that are not the host's are not for it.
    case connect
  }

  /// How SYNs leave.
  public enum Transmit: String, Hashable, Sendable, CaseIterable {
    /// `link` where packets leave in Ethernet frames and no firewall mark is asked for, else `ip`; for each interface by
    /// itself.
    case auto
    /// Raw IP sockets: the kernel routes each packet.
    case ip
    /// Whole frames, past the kernel's routing, queues and firewall. Next hops are asked for by ARP and neighbour
    /// discovery.
    case link
    /// As `link`, but through AF_XDP sockets, which cost the kernel the least. Where one can't be had, `link` or `ip` by
    /// itself, with a notice that says why.
    case xdp
  }

  /// SYNs a second, above zero; infinite for as fast as replies are not lost. Questions for next hops come on top: at
  /// most as many, and no more than 20,000 a second.
  public var rate: Double
  /// Threads that send, 1 to 64. Each sends some 200,000 packets a second with ease, and further ones are used where the
  /// rate is above what those before them do. Nil for as many as the rate needs and the host has processors for, one
  /// for a rate without limit; by AF_XDP, where each takes a queue of the device, not more than that has. Packet engine
  /// only.
  public var senders: Int?
  /// How often a silent target is probed again, each time at least a second later. 0 to 15.
  public var retries: Int
  /// How long to wait for late answers; nil for as long as the round trips seen so far make worth while.
  public var cooldown: Duration?
  /// Gives a verdict for every target, also for the silent; else only for the open.
  public var allStates: Bool
  /// What the order follows from; nil for another each time.
  public var seed: UInt64?
  /// Which part of the sweep to do.
  package var shard: Shard
  /// Which engine does the work.
  public var engine: Engine
  /// How SYNs leave. Packet engine only.
  public var transmit: Transmit
  /// The interface to send from, by name; nil for the one the route says.
  public var interface: String?
  /// The source address for targets of its family; nil for the route's. For one that is not the
  /// host's own the sweep sends the RSTs, and answers ARP and neighbour discovery for it while it runs.
  public var source: IPAddress?
  /// Source ports to use, one for each pass; nil for a block outside `ip_local_port_range`.
  public var sourcePorts: ClosedRange<UInt16>?
  /// Where frames for gateways go, which are not asked then. `link` and `xdp` only.
  public var gatewayMAC: MACAddress?
  /// The firewall mark of what is sent (SO_MARK).
  public var mark: UInt32?
  /// Who answers a SYN-ACK with the RST.
  public var reset: CheckerConfiguration.ResetPolicy
  /// Further interfaces to look for replies on: where they come another way than the probes leave.
  public var captureInterfaces: [String]
  /// The TCP options of a SYN.
  public var tcpOptions: TCPOptionLayout
  /// The time to live or hop limit of a SYN.
  public var ttl: UInt8
  /// Ends after so many results, nil for all.
  public var maximumResults: UInt64?
  /// Ends sending after so long, nil for no end.
  public var maximumTime: Duration?

  /// A configuration with defaults for everything.
  public init(rate: Double = 1000, retries: Int = 1, allStates: Bool = false) {
    self.rate = rate
    self.retries = retries
    self.allStates = allStates
    shard = .whole
    engine = .auto
    transmit = .auto
    reset = .auto
    captureInterfaces = []
    tcpOptions = .mss
    ttl = 64
  }
}
