// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Where a sweep was half a second ago, or as long as answers take there: what had been sent by then has been answered by
/// now, or is silent for good.
///
/// A resumed sweep goes on from there, and probes again those of later that had not answered at the checkpoint.
struct CursorTrail: Sendable {
  struct Point: Hashable, Comparable, Sendable {
    var pass: Int
    var cursor: UInt64

    static func < (a: Point, b: Point) -> Bool { (a.pass, a.cursor) < (b.pass, b.cursor) }
  }

  static var age: Int64 { 500_000_000 }
  private static var distance: Int64 { 50_000_000 }

  /// What is safe.
  private(set) var safe: Point
  private var recent: [(at: Instant, point: Point)] = []
  private var looked: Instant?

  init(start: Point) { safe = start }

  /// Notes where the sweep is; asked for only when it is time for it.
  /// - Parameter age: how long answers take, in nanoseconds.
  mutating func note(_ point: @autoclosure () -> Point, now: Instant, age: Int64 = CursorTrail.age) {
    settle(now: now, age: age)
    // A look is dear while many wait, and they may wait for long.
    if let looked, now.nanoseconds(since: looked) < CursorTrail.distance { return }
    looked = now
    let point = point()
    if point != recent.last?.point { recent.append((now, point)) }
  }

  /// Lets time pass.
  mutating func settle(now: Instant, age: Int64 = CursorTrail.age) {
    while let first = recent.first, now.nanoseconds(since: first.at) >= max(age, CursorTrail.age) {
      safe = first.point
      recent.removeFirst()
    }
  }
}
