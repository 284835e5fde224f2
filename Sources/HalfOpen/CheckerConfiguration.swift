// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// What an engine uses for all of its checks. The defaults suit nearly everyone.
public struct CheckerConfiguration: Hashable, Sendable {
  /// Who answers a SYN-ACK with the RST. Packet engine only; with the connect engine it is always the kernel.
  public enum ResetPolicy: String, Hashable, Sendable, CaseIterable {
    /// The kernel where it is seen to do so, else the engine.
    case auto
    /// The kernel, unverified.
    case kernel
    /// The engine. Where the kernel answers too the target sees two RSTs, which is harmless.
    case engine
    /// Nobody on purpose: the engine sends none. The kernel still may.
    case none
  }

  /// Where replies wait for the packet engine.
  public enum ReplyBuffer: Hashable, Sendable {
    /// libpcap's ring: room for tens of thousands. Opening it holds up the first check on an interface by some 12 ms.
    case ring
    /// A packet socket's queue: there at once, with room for some hundred. For an engine with few checks at a time.
    /// Where the kind of interface, or `any`, needs libpcap it is the ring all the same.
    case socket
  }

  /// The interface to send from, by name; nil for the one the route says.
  public var interface: String?
  /// The source address for targets of its family; nil for the route's. The packet engine also takes one that is not
  /// the host's own.
  public var source: IPAddress?
  /// Source ports to use. Nil: the kernel's choice for the connect engine, a reserved block outside
  /// `ip_local_port_range` for the packet engine. An engine that can use none of them fails to start.
  public var sourcePorts: ClosedRange<UInt16>?
  /// The firewall mark of what is sent (SO_MARK). Needs CAP_NET_ADMIN or, since Linux 5.17, CAP_NET_RAW.
  public var mark: UInt32?
  /// Who sends the RST.
  public var reset: ResetPolicy
  /// Further interfaces to look for replies on, or `any`. Packet engine only.
  public var captureInterfaces: [String]
  /// Where replies wait to be read. Packet engine only.
  public var replyBuffer: ReplyBuffer
  /// The TCP options of a SYN. Packet engine only: the kernel chooses its own.
  public var tcpOptions: TCPOptionLayout
  /// The time to live or hop limit of a SYN, nil for 64. Packet engine only.
  public var ttl: UInt8?
  /// The most source ports that the packet engine reserves. Each costs a descriptor and is taken on demand. Together
  /// with the endpoints they bound the checks on the wire: one check a port and endpoint, the others queue.
  /// A check that is still in line at its deadline was never sent: it ends with a `CheckError` of code `.noLocalPorts`.
  public var maximumPorts: Int

  /// A configuration by parts.
  public init(
    interface: String? = nil, source: IPAddress? = nil, sourcePorts: ClosedRange<UInt16>? = nil, mark: UInt32? = nil,
    reset: ResetPolicy = .auto, captureInterfaces: [String] = [], replyBuffer: ReplyBuffer = .ring,
    tcpOptions: TCPOptionLayout = .mss, ttl: UInt8? = nil, maximumPorts: Int = 1024
  ) {
    self.interface = interface
    self.source = source
    self.sourcePorts = sourcePorts
    self.mark = mark
    self.reset = reset
    self.captureInterfaces = captureInterfaces
    self.replyBuffer = replyBuffer
    self.tcpOptions = tcpOptions
    self.ttl = ttl
    self.maximumPorts = maximumPorts
  }
}
