// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Holds the rate that was asked for, below it while replies or probes are being lost.
///
/// A loss drives it back to seven tenths of what was reached, twice a second at most; each second without one gives a
/// quarter of it back.
struct RateControl: Sendable {
  /// Packets a second asked for; may be infinite.
  private(set) var asked: Double
  /// Packets a second at most while driven back.
  private(set) var limit: Double?
  private var lastCut: Instant
  private var lastRaise: Instant

  /// A rate below one packet a second is nobody's answer to a loss.
  private static var least: Double { 1 }

  init(asked: Double, now: Instant) {
    self.asked = asked
    lastCut = Instant(nanoseconds: .min / 2)
    lastRaise = now
  }

  var rate: Double { limit.map { min($0, asked) } ?? asked }

  /// Another rate is asked for.
  mutating func ask(_ rate: Double) {
    asked = rate
    if let limit, limit >= asked { self.limit = nil }
  }

  /// Something was lost, at a rate of `reached` packets a second. True where that changed the rate.
  mutating func lost(reached: Double, now: Instant) -> Bool {
    lastRaise = now
    guard now.nanoseconds(since: lastCut) >= 500_000_000 else { return false }
    lastCut = now
    limit = max(RateControl.least, min(reached, rate) * 0.7)
    return true
  }

  /// Nothing was lost since the last look. True where that changed the rate.
  mutating func quiet(now: Instant) -> Bool {
    guard let limit, now.nanoseconds(since: lastRaise) >= 1_000_000_000 else { return false }
    lastRaise = now
    let raised = limit * 1.25
    self.limit = raised >= asked ? nil : raised
    return true
  }
}
