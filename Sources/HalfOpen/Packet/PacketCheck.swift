// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// The packet engine's part of a check: plain data, one per check in flight.
struct PacketCheck {
  enum Phase: Sendable {
    /// In line for a source port.
    case queued
    /// A SYN is out.
    case sent
    /// A SYN-ACK came; it is not yet known whether the kernel resets it.
    case awaitingReset
    /// Open, and looking for replies that contradict it.
    case settling
    /// The verdict stands and is given at the end of the round.
    case ripe
  }

  var phase = Phase.queued
  var flow = Flow(address: .v4(IPv4Address(rawValue: 0)), port: 0, localPort: 0)
  var path: Path
  var scope: UInt32 = 0
  var sequence = SequenceNumber(0)
  /// The sequence number of the first SYN-ACK.
  var theirs = SequenceNumber(0)
  var deadline: Instant
  var lastSent = Instant.never
  /// When the next SYN is due; the deadline after the last.
  var next = Instant.never
  /// The pause before the next SYN, in nanoseconds; doubled each time.
  var backOff: Int64
  /// When the timer is due. A timer that fires earlier belonged to another check.
  var due = Instant.never
  var transmissions = 0
  var attempts: Int
  var settle: Int64
  var dropsAtStart: UInt64 = 0
  var flags: CheckResult.Flags = []
  var state = CheckResult.State.noAnswer
  var reason = Reason.noResponse
  var rtt: Int64 = -1
  var answer: CheckResult.Answer?
  var icmp: CheckResult.ICMP?

  /// Retransmission timing: the first repeat comes after a second (RFC 6298 §2.1), or earlier where all attempts, each
  /// with twice the pause of the one before, would not fit into the timeout.
  init(request: borrowing CheckRequest, path: Path, scope: UInt32, now: Instant) {
    self.path = path
    self.scope = scope
    deadline = request.deadline
    attempts = request.attempts
    settle = request.settle
    backOff = min(
      1_000_000_000, max(1_000_000, request.deadline.nanoseconds(since: now) / (1 << Int64(request.attempts) &- 1)))
  }

  var result: CheckResult {
    CheckResult(
      address: flow.address, state: state, reason: reason, rtt: rtt >= 0 ? .nanoseconds(rtt) : nil,
      transmissions: transmissions, handshake: state == .open ? .halfOpen : .none, backend: .packet, flags: flags,
      icmp: icmp, answer: answer)
  }
}
