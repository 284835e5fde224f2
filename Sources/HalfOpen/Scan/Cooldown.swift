// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// How long to wait for answers when everything has been sent.
///
/// As long as the round trips seen make worth while: twice the longest, and no less than the smoothed mean and four
/// times its variation (RFC 6298 section 2), between 0.3 and 8 seconds. Where nothing at all has answered, 2 seconds. An
/// answer that comes while it waits is a round trip like the others, so a slow network lengthens the wait. Once every
/// target has answered there is no wait.
struct Cooldown: Sendable {
  static var shortest: Int64 { 300_000_000 }
  static var longest: Int64 { 8_000_000_000 }
  static var inSilence: Int64 { 2_000_000_000 }

  private let fixed: Int64?
  private var mean: Double = 0
  private var variation: Double = 0
  private var longestSeen: Int64 = 0
  private var hasAny = false

  /// How long a capture may hold a packet back at high rates, in nanoseconds: a batch of 10 ms, for which the kernel's timer
  /// may be as late.
  static let captureDelay: Int64 = 20_000_000

  init(fixed: Duration?) { self.fixed = fixed.map { max(0, $0.saturatedNanoseconds) } }

  /// A round trip, in nanoseconds.
  mutating func observe(_ roundTrip: Int64) {
    let sample = Double(max(0, roundTrip))
    longestSeen = max(longestSeen, roundTrip)
    if hasAny {
      variation += (abs(sample - mean) - variation) / 4
      mean += (sample - mean) / 8
    } else {
      (mean, variation, hasAny) = (sample, sample / 2, true)
    }
  }

  /// How long an answer may take by what has been seen, in nanoseconds; 0 where nothing has.
  var patience: Int64 { hasAny || fixed != nil ? wait : 0 }

  /// How much of the wait's end may be unread when it is over, in nanoseconds: where nobody has fixed the wait, what a
  /// capture holds back is within it.
  var unread: Int64 { fixed == nil ? Cooldown.captureDelay : 0 }

  /// The wait after the last probe, in nanoseconds.
  var wait: Int64 {
    if let fixed { return fixed }
    guard hasAny else { return Cooldown.inSilence }
    let (twice, overflow) = longestSeen.multipliedReportingOverflow(by: 2)
    let smoothed = Int64(min(mean + 4 * variation, Double(Cooldown.longest)))
    return min(max(overflow ? Cooldown.longest : twice, smoothed, Cooldown.shortest), Cooldown.longest)
  }
}
