// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A point of the monotonic clock, in nanoseconds since boot. Arithmetic saturates: deadlines may be "never".
package struct Instant: Comparable, Hashable, Sendable {
  package var nanoseconds: Int64
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static let never = Instant(nanoseconds: .max)

  /// The corresponding C function is `clock_gettime(CLOCK_MONOTONIC)`.
  package static var now: Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

  package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  package func advanced(byNanoseconds delta: Int64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
    return overflow ? (delta > 0 ? .never : Instant(nanoseconds: .min)) : Instant(nanoseconds: sum)
  }

  package func advanced(by duration: Duration) -> Instant { advanced(byNanoseconds: duration.saturatedNanoseconds) }

  /// Nanoseconds from `earlier` to here; negative where `earlier` is later.
  package func nanoseconds(since earlier: Instant) -> Int64 { nanoseconds &- earlier.nanoseconds }
}

/// Wall time in nanoseconds since 1970, as libpcap stamps packets.
///
/// The corresponding C function is `clock_gettime(CLOCK_REALTIME)`.
package func realtimeNanoseconds() -> Int64 { read(CLOCK_REALTIME) }

private func read(_ clock: clockid_t) -> Int64 {
  var value = timespec()
  // SAFETY: `value` outlives the call. A valid clock id cannot fail.
  _ = unsafe clock_gettime(clock, &value)
  return Int64(value.tv_sec) &* 1_000_000_000 &+ Int64(value.tv_nsec)
}

extension Duration {
  /// The duration in nanoseconds, clamped to what `Int64` holds.
  package var saturatedNanoseconds: Int64 { Int64(clamping: attoseconds / 1_000_000_000) }
}
