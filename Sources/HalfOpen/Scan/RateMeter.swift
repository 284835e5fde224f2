// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Packets a second over the last while.
struct RateMeter: Sendable {
  private static let interval: Int64 = 250_000_000
  private var last: (sent: UInt64, at: Instant)?
  /// Nil before the first while has passed.
  private(set) var rate: Double?

  mutating func note(sent: UInt64, now: Instant) {
    guard let last else { self.last = (sent, now); return }
    let time = now.nanoseconds(since: last.at)
    guard time >= RateMeter.interval else { return }
    rate = Double(sent &- last.sent) / Double(time) * 1e9
    self.last = (sent, now)
  }
}
