// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Sees that answers came and come no more, for which a next hop that has moved may be the reason.
///
/// It is patient for half the time after which a target is probed again (`SweepPasses.spacing`), and answers may take the
/// other half. So where all come by one gateway, none of its targets loses more than one probe to a new hardware address.
struct AnswerWatch: Sendable {
  static var patience: Int64 { SweepPasses.spacing / 2 }

  private var lastAnswer: Instant?
  private var lastDoubt = Instant(nanoseconds: 0)

  /// The first answer of a target. One that is repeated proves only that the target does not hear us.
  mutating func heard(at instant: Instant) { lastAnswer = max(lastAnswer ?? instant, instant) }

  /// Before probes are sent: true where the last answer is too long ago, and the next is due. Then not again before as much
  /// time has passed.
  /// - Parameters:
  ///   - sent: when the last probe was.
  ///   - isAgain: they are for targets that have not answered an earlier one.
  mutating func stayAway(sent: Instant, isAgain: Bool, now: Instant) -> Bool {
    guard let lastAnswer, isAgain || sent > lastAnswer else { return false }
    // Nothing has left since: it waits for its next hop, and the time to hear of it begins when it does.
    if sent < lastDoubt { lastDoubt = now }
    guard now.nanoseconds(since: max(lastAnswer, lastDoubt)) >= AnswerWatch.patience else { return false }
    lastDoubt = now
    return true
  }
}
