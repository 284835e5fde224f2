// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux

/// One timer for each small number, any number of them: set, move and cancel in constant time.
///
/// A hierarchical wheel (Varghese and Lauck 1987, scheme 7): four rings of 256 buckets, the finest of one tick of
/// 2^20 ns (1.05 ms). Buckets are doubly linked lists through flat arrays, so nothing is allocated once the arrays have
/// grown. A timer never fires early; it fires at most one tick late, apart from the caller's own delay.
package struct TimerWheel {
  private static let shift: Int64 = 20
  private static let rings = 4
  private static let none = Int32(-1)

  /// Head of each bucket's list: ring * 256 + bucket.
  private var heads = [Int32](repeating: TimerWheel.none, count: 256 * TimerWheel.rings)
  /// Which buckets have timers, a bit each.
  private var occupied = [UInt64](repeating: 0, count: 4 * TimerWheel.rings)
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// The bucket that a timer is in, `none` for a timer that is not set.
  private var bucket: [Int32] = []
  private var due: [Int64] = []
  /// The tick up to which all timers have fired.
  private var tick: Int64
  private var expired: [Int32] = []
  private(set) package var count = 0

  package init(now: Instant) { tick = now.nanoseconds >> TimerWheel.shift }

  /// Sets timer `id`, wherever it was before.
  package mutating func set(_ id: Int, at instant: Instant) {
    grow(to: id)
    cancel(id)
    // Rounded up: never early.
    let wanted = instant.nanoseconds == .max ? .max >> TimerWheel.shift : (instant.nanoseconds >> TimerWheel.shift) + 1
    due[id] = wanted
    insert(Int32(id), earliest: tick + 1)
    count += 1
  }

  /// Forgets timer `id`; harmless if it is not set.
  package mutating func cancel(_ id: Int) {
    guard id < bucket.count, bucket[id] != TimerWheel.none else { return }
    unlink(id)
    count -= 1
  }

  /// When to look again: at or before the first timer. Nil with no timer set.
  package var nextLook: Instant? {
    guard count > 0 else { return nil }
    let position = Int(tick & 255)
    // The finest ring is exact up to its end; behind it lies a cascade, to be looked at when it comes.
    var ahead = 256 - position
    if let found = firstOccupied(after: position) { ahead = found - position }
    return Instant(nanoseconds: (tick + Int64(ahead)) << TimerWheel.shift)
  }

  /// Moves time on and collects what is due for `popExpired`.
  package mutating func advance(to now: Instant) {
    let target = now.nanoseconds >> TimerWheel.shift
    guard count > 0 else {
      tick = max(tick, target)
      return
    }
    while tick < target {
      let position = Int(tick & 255)
      // Nothing between here and the next occupied bucket or cascade: one step.
      let stop = firstOccupied(after: position) ?? 256
      let jump = min(Int64(stop - position), target - tick)
      tick += jump
      if tick & 255 == 0 { cascade() }
      expireBucket(Int(tick & 255))
      if count == 0 {
        tick = target
        return
      }
    }
  }

  /// The next expired timer of the last `advance`, in no particular order within a tick.
  package mutating func popExpired() -> Int? { expired.popLast().map(Int.init) }

  private mutating func expireBucket(_ index: Int) {
    while heads[index] != TimerWheel.none {
      let id = heads[index]
      unlink(Int(id))
      if due[Int(id)] <= tick {
        count -= 1
        expired.append(id)
      } else {
        insert(id, earliest: tick + 1)
      }
    }
  }

  /// A ring has gone round: the next bucket of the ring above is dealt out below.
  private mutating func cascade() {
    for ring in 1..<TimerWheel.rings {
      let position = Int((tick >> (8 * Int64(ring))) & 255)
      let index = ring * 256 + position
      var id = heads[index]
      heads[index] = TimerWheel.none
      occupied[index >> 6] &= ~(1 << UInt64(index & 63))
      while id != TimerWheel.none {
        let following = next[Int(id)]
        // What is due now is expired right after.
        insert(id, earliest: tick)
        id = following
      }
      if position != 0 { return }
    }
  }

  private mutating func insert(_ id: Int32, earliest: Int64) {
    let at = max(due[Int(id)], earliest)
    let distance = at - tick
    var ring = 0
    while ring < TimerWheel.rings - 1, distance >= 1 << (8 * Int64(ring + 1)) { ring += 1 }
    // Beyond the last ring: as far as it reaches, and dealt out again from there.
    let reachable = min(at, tick + (1 << (8 * Int64(TimerWheel.rings))) - 1)
    let index = ring * 256 + Int((reachable >> (8 * Int64(ring))) & 255)
    let head = heads[index]
    next[Int(id)] = head
    previous[Int(id)] = TimerWheel.none
    if head != TimerWheel.none { previous[Int(head)] = id }
    heads[index] = id
    bucket[Int(id)] = Int32(index)
    occupied[index >> 6] |= 1 << UInt64(index & 63)
  }

  private mutating func unlink(_ id: Int) {
    let index = Int(bucket[id])
    if previous[id] == TimerWheel.none { heads[index] = next[id] } else { next[Int(previous[id])] = next[id] }
    if next[id] != TimerWheel.none { previous[Int(next[id])] = previous[id] }
    bucket[id] = TimerWheel.none
    if heads[index] == TimerWheel.none { occupied[index >> 6] &= ~(1 << UInt64(index & 63)) }
  }

  /// The first occupied bucket of the finest ring behind `position`.
  private func firstOccupied(after position: Int) -> Int? {
    var at = position + 1
    while at < 256 {
      let word = occupied[at >> 6] >> UInt64(at & 63)
      if word != 0 { return at + word.trailingZeroBitCount }
      at = (at | 63) + 1
    }
    return nil
  }

  private mutating func grow(to id: Int) {
    guard id >= bucket.count else { return }
    let size = max(64, id + 1, bucket.count * 2)
    let more = size - bucket.count
    next.append(contentsOf: repeatElement(TimerWheel.none, count: more))
    previous.append(contentsOf: repeatElement(TimerWheel.none, count: more))
    bucket.append(contentsOf: repeatElement(TimerWheel.none, count: more))
    due.append(contentsOf: repeatElement(0, count: more))
  }
}
