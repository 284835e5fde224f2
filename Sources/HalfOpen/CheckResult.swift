// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// What a check found, with the evidence. An outcome is a value: only faults on our side are errors.
public struct CheckResult: Hashable, Sendable {
  /// The verdict.
  public enum State: String, Hashable, Sendable, CaseIterable {
    /// A SYN-ACK came: a socket listens and its queue has room. It says nothing about the application behind.
    case open
    /// A RST came.
    case closed
    /// An ICMP error came, or the next hop did not answer ARP or neighbour discovery.
    case unreachable
    /// Nothing came before the deadline.
    case noAnswer = "no-answer"
  }

  /// What is known to be left on the wire.
  public enum Handshake: String, Hashable, Sendable, CaseIterable {
    /// The last ACK never left: the application can't have noticed.
    case halfOpen = "half-open"
    /// An ACK left, on request or because the process was kept from closing in time: the application may have noticed.
    case full
    /// There was no SYN-ACK to answer.
    case none
    /// It could not be found out.
    case unknown
  }

  /// The engine that did the check.
  public enum Backend: String, Hashable, Sendable, CaseIterable {
    /// Hand-built SYNs and a packet capture.
    case packet
    /// Kernel sockets that withhold their ACK.
    case connect
  }

  /// An ICMP error about our SYN.
  public struct ICMP: Hashable, Sendable {
    /// The type (RFC 792, RFC 4443).
    public var type: UInt8
    /// The code.
    public var code: UInt8
    /// The router or host that sent it.
    public var sender: IPAddress

    /// An ICMP error by parts.
    public init(type: UInt8, code: UInt8, sender: IPAddress) {
      self.type = type
      self.code = code
      self.sender = sender
    }
  }

  /// What the answering segment said. Only the packet engine sees it.
  public struct Answer: Hashable, Sendable {
    /// Time to live or hop limit, as it arrived.
    public var ttl: UInt8
    /// The window, unscaled.
    public var window: UInt16
    /// The TCP options.
    public var options: TCPOptionSummary

    /// An answer by parts.
    public init(ttl: UInt8, window: UInt16, options: TCPOptionSummary) {
      self.ttl = ttl
      self.window = window
      self.options = options
    }
  }

  /// The address that was checked: the endpoint's, or the one its name resolved to.
  public var address: IPAddress
  /// The verdict.
  public var state: State
  /// What the verdict rests on, in nmap's words.
  public var reason: Reason
  /// From the SYN that was answered to its answer, by kernel stamps; for `closed` from the connect engine by the
  /// engine's own clock. Nil without an answer.
  public var rtt: Duration?
  /// SYNs sent, the first included.
  public var transmissions: Int
  /// What is known to be left on the wire.
  public var handshake: Handshake
  /// The engine that did the check.
  public var backend: Backend
  /// What a careful reader should know.
  public var flags: Flags
  /// The ICMP error behind `unreachable`; nil where there was none.
  public var icmp: ICMP?
  /// The segment behind `open` or `closed`; nil from the connect engine.
  public var answer: Answer?

  /// A result by parts.
  public init(
    address: IPAddress, state: State, reason: Reason, rtt: Duration? = nil, transmissions: Int, handshake: Handshake,
    backend: Backend, flags: Flags = [], icmp: ICMP? = nil, answer: Answer? = nil
  ) {
    self.address = address
    self.state = state
    self.reason = reason
    self.rtt = rtt
    self.transmissions = transmissions
    self.handshake = handshake
    self.backend = backend
    self.flags = flags
    self.icmp = icmp
    self.answer = answer
  }
}

extension CheckResult {
  /// What a careful reader should know about a result. The names are a promise of the JSON output.
  public struct Flags: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt16
    /// Flags by bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// A SYN-ACK with window 0 and no options: perhaps a SYN proxy or tarpit, with nothing behind it.
    public static let suspectedSynProxy = Flags(rawValue: 1 << 0)
    /// A RST followed the SYN-ACK.
    public static let resetAfterSynAck = Flags(rawValue: 1 << 1)
    /// Replies came with different times to live: they may come from different machines.
    public static let ttlVaries = Flags(rawValue: 1 << 2)
    /// The capture lost packets during the check: a missing answer may be our loss.
    public static let captureDropped = Flags(rawValue: 1 << 3)
    /// Our RST could not be sent: the target holds a half-open connection until it times out.
    public static let resetNotSent = Flags(rawValue: 1 << 4)
    /// A RST without ACK came, which proves nothing (RFC 9293 §3.10.7.3) and was not counted.
    public static let resetWithoutAck = Flags(rawValue: 1 << 5)
    /// Some SYN of the check could not be sent.
    public static let sendFailed = Flags(rawValue: 1 << 6)

    private static let all: [(Flags, String)] = [
      (.suspectedSynProxy, "suspected-syn-proxy"), (.resetAfterSynAck, "reset-after-syn-ack"),
      (.ttlVaries, "ttl-varies"), (.captureDropped, "capture-dropped"), (.resetNotSent, "reset-not-sent"),
      (.resetWithoutAck, "reset-without-ack"), (.sendFailed, "send-failed"),
    ]

    /// The flags' names, in a fixed order.
    public var names: [String] { Flags.all.filter { contains($0.0) }.map(\.1) }
  }
}
