// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
package import HalfOpenWire
package import SystemPackage

/// What a socket's evidence means.
package enum ConnectVerdict: Hashable, Sendable {
  /// Nothing is settled.
  case wait
  case settled(CheckResult.State, Reason, CheckResult.Flags, ICMPEvidence?)
  /// Our side is at fault.
  case fault(Errno)

  /// An ICMP error, or the kernel's own word that stands for one.
  package struct ICMPEvidence: Hashable, Sendable {
    package var type: UInt8
    package var code: UInt8
    /// nil: this host itself.
    package var sender: IPAddress?

    package init(type: UInt8, code: UInt8, sender: IPAddress?) {
      self.type = type
      self.code = code
      self.sender = sender
    }
  }

  /// Reads the evidence in an order that invents no success.
  ///
  /// The state comes first, because nothing but a SYN-ACK brings a socket there. Then the error queue: an ICMP error is
  /// on it before SO_ERROR says anything (since Linux 5.8), and reading it clears SO_ERROR, so neither the absence of
  /// SO_ERROR nor a writable socket proves a thing.
  package init(_ evidence: ConnectEvidence, family: IPFamily) {
    switch evidence.info.state {
    // CLOSE-WAIT: the peer has sent a FIN already.
    case .established, .closeWait:
      self = .settled(.open, .synAck, evidence.info.looksLikeProxy(family) ? .suspectedSynProxy : [], nil)
    default:
      if let queued = evidence.queued {
        self.init(queued, family: family)
      } else if let pending = evidence.pending {
        self.init(pending, evidence.info)
      } else {
        self = .wait
      }
    }
  }

  /// What is left to say at the deadline, with no verdict before.
  package static func silence(isNextHopSilent: Bool, family: IPFamily) -> ConnectVerdict {
    isNextHopSilent ? .hostUnreachable(family) : .settled(.noAnswer, .noResponse, [], nil)
  }

  private init(_ queued: QueuedError, family: IPFamily) {
    switch queued.origin {
    case .icmp where queued.type == 3 && queued.code == 4, .icmpv6 where queued.type == 2:
      // The kernel sends a smaller one itself; a SYN that is lost for its size is repeated.
      self = .wait
    case .icmp:
      self = .unreachable(Reason(icmpv4Type: queued.type, code: queued.code), queued)
    case .icmpv6:
      self = .unreachable(Reason(icmpv6Type: queued.type, code: queued.code), queued)
    case .local:
      switch queued.errno {
      case .noRouteToHost, .networkUnreachable, .hostIsDown: self = .hostUnreachable(family)
      case .messageTooLong: self = .wait
      default: self = .fault(queued.errno)
      }
    }
  }

  /// An error without an entry: a RST, the kernel's own end, or an ICMP error that found no room on the queue.
  private init(_ pending: Errno, _ info: TCPInfo) {
    switch pending {
    case .connectionRefused: self = .settled(.closed, .reset, [], nil)
    case .connectionReset, .brokenPipe:
      // In SYN-RECEIVED (both sides sent a SYN, ours was never acknowledged) a RST reads like this too.
      let wasOpen = info.roundTripMicroseconds > 0 || info.retransmissions > 0
      self = wasOpen ? .settled(.open, .synAck, .resetAfterSynAck, nil) : .settled(.closed, .reset, [], nil)
    case .timedOut: self = .settled(.noAnswer, .noResponse, [], nil)
    case .noRouteToHost, .hostIsDown: self = .settled(.unreachable, .hostUnreach, [], nil)
    case .permissionDenied: self = .settled(.unreachable, .adminProhibited, [], nil)
    case .protocolNotAvailable: self = .settled(.unreachable, .protoUnreach, [], nil)
    case .protocolError: self = .settled(.unreachable, .paramProblem, [], nil)
    // ENETUNREACH too: a router's would be on the queue, so it was our own route that went, as with its interface.
    default: self = .fault(pending)
    }
  }

  private static func unreachable(_ reason: Reason, _ queued: QueuedError) -> ConnectVerdict {
    .settled(
      .unreachable, reason, [], ICMPEvidence(type: queued.type, code: queued.code, sender: queued.offender))
  }

  /// The next hop answers no ARP or neighbour discovery: what the kernel tells itself in ICMP (RFC 1122 §2.3.2.2).
  private static func hostUnreachable(_ family: IPFamily) -> ConnectVerdict {
    let icmp: ICMPEvidence =
      switch family {
      case .v4: ICMPEvidence(type: 3, code: 1, sender: nil)
      case .v6: ICMPEvidence(type: 1, code: 3, sender: nil)
      }
    return .settled(.unreachable, .hostUnreach, [], icmp)
  }
}

extension TCPInfo {
  /// No window and no options. A SYN-ACK that names no segment size leaves the default (RFC 9293 §3.7.1).
  fileprivate func looksLikeProxy(_ family: IPFamily) -> Bool {
    sendWindow == 0 && !hasOptions && sendMSS <= (family == .v4 ? 536 : 1220)
  }

  /// What is known to have left before a socket was closed.
  ///
  /// The kernel's timer sends the withheld ACK 200 ms after the SYN-ACK (TCP_DELACK_MAX) as jiffies count it. They may be
  /// five ticks behind the clock and then catch up (MAX_STALLED_JIFFIES, kernel/time/tick-sched.c: a virtual processor
  /// that is not run), so that the timer is early by them and by the one that rounds; a tick is at most 10 ms.
  /// - Parameter closing: nanoseconds from before this was read until after the close.
  package func handshake(mode: CheckOptions.Mode, closing: Int64) -> CheckResult.Handshake {
    // SYNs only, or more: the last ACK, or one that answered data or a repeated SYN-ACK.
    if segmentsOut > 1 &+ retransmissions { return .full }
    if mode == .full { return .unknown }
    let (delay, early): (Int64, Int64) = (200_000_000, 60_000_000)
    let left = delay - early - Int64(millisecondsSinceAnswer) * 1_000_000
    return closing > max(0, left) ? .unknown : .halfOpen
  }
}
