// SPDX-License-Identifier: Apache-2.0

/// What a verdict rests on, in nmap's words (nmap's portreasons.cc).
public struct Reason: Hashable, Sendable, CustomStringConvertible {
  private enum Word: UInt8 {
    case synAck, reset, noResponse, netUnreach, hostUnreach, protoUnreach, portUnreach, netProhibited, hostProhibited,
      adminProhibited, timeExceeded, sourceUnreach, rejectRoute, beyondScope, packetTooBig, paramProblem, unreach
  }

  private let word: Word
  private init(_ word: Word) { self.word = word }

  /// A SYN-ACK.
  public static let synAck = Reason(.synAck)
  /// A RST.
  public static let reset = Reason(.reset)
  /// Silence.
  public static let noResponse = Reason(.noResponse)
  /// ICMP 3/0, 3/6, 3/11, ICMPv6 1/0.
  public static let netUnreach = Reason(.netUnreach)
  /// ICMP 3/1, 3/7, 3/12, ICMPv6 1/3, or a next hop that answers no ARP or neighbour discovery.
  public static let hostUnreach = Reason(.hostUnreach)
  /// ICMP 3/2, ICMPv6 4/1.
  public static let protoUnreach = Reason(.protoUnreach)
  /// ICMP 3/3, ICMPv6 1/4.
  public static let portUnreach = Reason(.portUnreach)
  /// ICMP 3/9.
  public static let netProhibited = Reason(.netProhibited)
  /// ICMP 3/10.
  public static let hostProhibited = Reason(.hostProhibited)
  /// ICMP 3/13, ICMPv6 1/1.
  public static let adminProhibited = Reason(.adminProhibited)
  /// ICMP 11, ICMPv6 3.
  public static let timeExceeded = Reason(.timeExceeded)
  /// ICMPv6 1/5: the source address failed a policy.
  public static let sourceUnreach = Reason(.sourceUnreach)
  /// ICMPv6 1/6: a reject route.
  public static let rejectRoute = Reason(.rejectRoute)
  /// ICMPv6 1/2: beyond the scope of the source address.
  public static let beyondScope = Reason(.beyondScope)
  /// ICMP 3/4, ICMPv6 2: the SYN was too large for the path.
  public static let packetTooBig = Reason(.packetTooBig)
  /// ICMP 12, ICMPv6 4.
  public static let paramProblem = Reason(.paramProblem)
  /// Any other unreachable code.
  public static let unreach = Reason(.unreach)

  /// The reason that an ICMPv4 error gives (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
  public init(icmpv4Type type: UInt8, code: UInt8) {
    switch (type, code) {
    case (3, 0), (3, 6), (3, 11): self = .netUnreach
    case (3, 1), (3, 7), (3, 8), (3, 12): self = .hostUnreach
    case (3, 2): self = .protoUnreach
    case (3, 3): self = .portUnreach
    case (3, 4): self = .packetTooBig
    case (3, 9): self = .netProhibited
    case (3, 10): self = .hostProhibited
    case (3, 13): self = .adminProhibited
    case (11, _): self = .timeExceeded
    case (12, _): self = .paramProblem
    default: self = .unreach
    }
  }

  /// The reason that an ICMPv6 error gives (RFC 4443 §3).
  public init(icmpv6Type type: UInt8, code: UInt8) {
    switch (type, code) {
    case (1, 0): self = .netUnreach
    case (1, 1): self = .adminProhibited
    case (1, 2): self = .beyondScope
    case (1, 3): self = .hostUnreach
    case (1, 4): self = .portUnreach
    case (1, 5): self = .sourceUnreach
    case (1, 6): self = .rejectRoute
    case (2, _): self = .packetTooBig
    case (3, _): self = .timeExceeded
    case (4, 1): self = .protoUnreach
    case (4, _): self = .paramProblem
    default: self = .unreach
    }
  }

  /// The word, such as `syn-ack`. A promise of the JSON output.
  public var description: String {
    switch word {
    case .synAck: "syn-ack"
    case .reset: "reset"
    case .noResponse: "no-response"
    case .netUnreach: "net-unreach"
    case .hostUnreach: "host-unreach"
    case .protoUnreach: "proto-unreach"
    case .portUnreach: "port-unreach"
    case .netProhibited: "net-prohibited"
    case .hostProhibited: "host-prohibited"
    case .adminProhibited: "admin-prohibited"
    case .timeExceeded: "time-exceeded"
    case .sourceUnreach: "source-policy"
    case .rejectRoute: "reject-route"
    case .beyondScope: "beyond-scope"
    case .packetTooBig: "packet-too-big"
    case .paramProblem: "param-problem"
    case .unreach: "unreach"
    }
  }
}
