// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Sees that answers came and come no more, for which a next hop that has moved may be the reason.
///
/// It is patient for no longer than a pass is before it probes a target again (`SweepPasses.spacing`). So where all answers
/// come by one gateway, none of its targets loses more than one probe to a new hardware address.
struct AnswerWatch: Sendable {
  static var patience: Int64 { SweepPasses.spacing }

  /// When an answer was last found to have come, or answers were found missing, and what had been sent by then.
  private var last = (received: UInt64(0), sent: UInt64(0), at: Instant(nanoseconds: 0))

  /// Before probes are sent: true where the last answer is too long ago, though probes followed it. Then not again before
  /// as much time has passed.
  /// - Parameters:
  ///   - received: answers so far.
  ///   - sent: probes so far.
  mutating func stayAway(received: UInt64, sent: UInt64, now: Instant) -> Bool {
    guard received == last.received else {
      last = (received, sent, now)
      return false
    }
    guard received > 0, sent > last.sent, now.nanoseconds(since: last.at) >= AnswerWatch.patience else { return false }
    last = (received, sent, now)
    return true
  }
}
