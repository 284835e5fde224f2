// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import SystemPackage

extension SweepState {
  /// What the sender does next.
  enum Turn: Equatable, Sendable {
    /// Send probes to the positions given, then call `noteSent`.
    case probe(SweepPasses.Ticket)
    case wait(until: Instant)
    /// Wait until more has been heard.
    case listen
    /// Call `nameSilent`.
    case report
    case ended
  }

  /// What a batch came to.
  struct SentBatch: Sendable {
    let ticket: SweepPasses.Ticket
    /// The positions that probes were sent to, as they were given.
    var positions: [UInt64] = []
    /// Positions that no way leads to.
    var unroutable: [UInt64] = []
    /// Those that leave later, when their next hop is known.
    var parked: [UInt64] = []
    /// Those that there was no room to wait for, or no way at present; they are given again.
    var held: [UInt64] = []
    /// How many have a next hop that does not answer.
    var unreachable = 0
    var end = Instant(nanoseconds: 0)
    /// Those that did not leave for want of room or link, and are sent again, in their order.
    var returned: [UInt64] = []
    /// How many the kernel refused for good, and why.
    var refused = 0
    var refusals: Set<Errno> = []
    /// It was the link that was missing.
    var isOutage = false
  }
}
