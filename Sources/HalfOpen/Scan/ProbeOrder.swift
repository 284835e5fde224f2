// SPDX-License-Identifier: Apache-2.0

/// The order in which a sweep takes its targets: a keyed permutation of 0 to `count` - 1 with random access both ways.
///
/// Any position's target and any target's position are had without the ones before, so a resumed sweep, a shard and a
/// second thread each start where they like, and nothing is stored. Equal seed and count give the equal order.
///
/// How it spreads: as good as drawn by lot. A network that has the part p of all targets gets p x W of W consecutive
/// probes on average, however short the window, and more than p x W + 6 sqrt(p x W) + 6 in less than one window of a
/// million. A /24 in a sweep of 2^17 hosts so has at most 13 of any 512 consecutive probes.
///
/// A Feistel network on pairs (left, right) with left < ⌈√count⌉, its halves mixed by addition (Black and Rogaway 2002,
/// "generalized Feistel"), and cycle walking over the few numbers that the product has above `count`.
package struct ProbeOrder: Sendable {
  package let count: UInt64
  private let lefts: UInt64
  private let rights: UInt64
  private let keys: [6 of UInt64]

  package init(count: UInt64, seed: UInt64) {
    self.count = count
    lefts = max(count.squareRootRoundedUp, 1)
    rights = count / lefts + (count % lefts == 0 ? 0 : 1)
    let hash = SipHash(key: (seed, 0x6f72_6465_7231))
    keys = [6 of UInt64] { hash.hash(UInt64($0)) }
  }

  /// The target at a position, which has to be below `count`.
  @inline(__always)
  package func target(at position: UInt64) -> UInt64 {
    precondition(position < count)
    var value = position
    repeat { value = shuffled(value) } while value >= count
    return value
  }

  /// The position of a target, which has to be below `count`.
  @inline(__always)
  package func position(of target: UInt64) -> UInt64 {
    precondition(target < count)
    var value = target
    repeat { value = restored(value) } while value >= count
    return value
  }

  // A value is below lefts x rights <= 2^64 with lefts, rights <= 2^32: the wrapping operators below do not wrap.

  @inline(__always)
  private func shuffled(_ value: UInt64) -> UInt64 {
    var (left, right) = value.quotientAndRemainder(dividingBy: rights)
    for round in 0..<3 {
      left = sum(left, mixed(right, keys[2 &* round], below: lefts), below: lefts)
      right = sum(right, mixed(left, keys[2 &* round &+ 1], below: rights), below: rights)
    }
    return left &* rights &+ right
  }

  @inline(__always)
  private func restored(_ value: UInt64) -> UInt64 {
    var (left, right) = value.quotientAndRemainder(dividingBy: rights)
    for round in (0..<3).reversed() {
      right = difference(right, mixed(left, keys[2 &* round &+ 1], below: rights), below: rights)
      left = difference(left, mixed(right, keys[2 &* round], below: lefts), below: lefts)
    }
    return left &* rights &+ right
  }

  /// The finalizer of SplitMix64 under a key: a stranger could tell it from chance, a network under a sweep can't.
  @inline(__always)
  private func mixed(_ half: UInt64, _ key: UInt64, below bound: UInt64) -> UInt64 {
    var value = half &+ key
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    value ^= value >> 31
    return ((value >> 32) &* bound) >> 32
  }

  @inline(__always)
  private func sum(_ a: UInt64, _ b: UInt64, below bound: UInt64) -> UInt64 {
    let sum = a &+ b
    return sum < bound ? sum : sum &- bound
  }

  @inline(__always)
  private func difference(_ a: UInt64, _ b: UInt64, below bound: UInt64) -> UInt64 {
    a >= b ? a &- b : a &+ bound &- b
  }
}

extension UInt64 {
  /// The least number whose square is not below this one.
  var squareRootRoundedUp: UInt64 {
    // A double is off by one at most here; 2^32 is the root of all above (2^32 - 1)^2.
    var root = Swift.min(UInt64(Double(self).squareRoot()) + 1, 1 << 32)
    while root > 0, (root - 1) * (root - 1) >= self { root -= 1 }
    return root
  }
}
