// SPDX-License-Identifier: Apache-2.0

/// How many packets may leave now, and when to look again: a rate held in every second, on a clock that the caller
/// reads.
///
/// Packets are due on an even grid. What is due has to have left within a small tolerance; a caller later than that has
/// stalled, and the grid moves. A stall of up to 50 ms is made up for by a grid slightly closer, never above 1.01 times
/// the rate, a longer one is not. Tolerance and catching up together fill less than max(1 packet, 1 %) of a second's
/// packets, so that no second anywhere has more than that above the rate (with a whole number for a rate; a fraction
/// just below a whole number leaves less room than a timer's lateness).
package struct PaceSchedule: Sendable {
  /// Stalls longer than this are not made up for.
  private static let longestStall = 50e6

  /// Packets a second; infinite for no limit.
  package private(set) var rate: Double
  private var interval: Double = 0
  /// How late a packet may be without a stall, in nanoseconds.
  private var tolerance: Double = 0
  /// By how much the grid is closer while a stall is made up for, as a part of one.
  private var haste: Double = 0

  /// When the schedule was last looked at.
  private var last: Int64
  /// From then to when the next packet is due, in nanoseconds: small, so that a double keeps its fractions for years.
  private var ahead: Double = 0
  /// Stalled time still to be made up for, in nanoseconds.
  private var debt: Double = 0

  /// The first packet is due at once.
  ///
  /// - Parameters:
  ///   - rate: packets a second, above zero; infinite for no limit.
  ///   - now: nanoseconds of any monotonic clock.
  package init(rate: Double, now: Int64) {
    self.rate = rate
    last = now
    adopt(rate)
  }

  /// Packets that may leave now, `limit` at most: they count as sent.
  package mutating func take(upTo limit: Int, now: Int64) -> Int {
    guard limit > 0 else { return 0 }
    guard interval > 0 else { return limit }
    look(now)
    let step = step
    guard ahead <= 0 else { return 0 }
    let count = Int(min(-ahead / step, Double(limit - 1))) + 1
    ahead += Double(count) * step
    debt = max(0, debt - Double(count) * (interval - step))
    return count
  }

  /// Packets that were taken and have not left.
  package mutating func giveBack(_ count: Int) {
    guard interval > 0 else { return }
    ahead -= Double(count) * step
  }

  /// When the next batch of at most `limit` packets is due: the time for the next `take`. Not after `now` where it is
  /// already.
  package func wake(upTo limit: Int = .max) -> Int64 {
    guard interval > 0 else { return last }
    let batch = max(1, min(quantum / interval, Double(limit)).rounded(.down))
    let wait = ahead + (batch - 1) * step
    return last.addingReportingOverflow(Int64(min(wait, 1e18).rounded(.up))).partialValue
  }

  /// Another rate from now on. What was waited for so far counts in proportion.
  package mutating func change(rate: Double, now: Int64) {
    if interval > 0 { look(now) }
    let old = interval
    adopt(rate)
    last = now
    if old == 0 { ahead = 0 } else if ahead > 0 { ahead *= interval / old }
  }

  /// A look at the clock pays if this much is due, in nanoseconds: so do packets come in batches of two milliseconds. Of one
  /// after a stall: what a batch's first packet waits is missing where the next wake is late too.
  private var quantum: Double { debt > 0 ? 1e6 : 2e6 }

  private var step: Double { debt > 0 ? interval / (1 + haste) : interval }

  /// Moves the grid where the next packet is later than may be.
  private mutating func look(_ now: Int64) {
    ahead -= Double(now &- last)
    last = now
    let late = -ahead
    if late > PaceSchedule.longestStall {
      ahead = 0
    } else if late > tolerance {
      debt = min(debt + late - tolerance, PaceSchedule.longestStall)
      ahead = -tolerance
    }
  }

  private mutating func adopt(_ rate: Double) {
    self.rate = rate
    interval = 1e9 / rate
    // Of what a second may have above the rate, tolerance and haste take 45 % each.
    let most = (rate + max(1, rate / 100)).rounded(.down)
    let room = min(max((most - rate) / rate, 0.002), 0.01)
    tolerance = room * 0.45 * 1e9
    haste = room * 0.45
  }
}
