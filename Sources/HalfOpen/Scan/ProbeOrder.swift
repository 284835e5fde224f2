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
/// A number of as many bits as `count` - 1 has is multiplied by an odd key and added to another, which carries what its low
/// bits say upwards, and its upper half is put over its lower one, which carries it back: six times over, each step one
/// that can be undone. What comes out above `count`, less than every second one where more than 128 are swept, goes through
/// once more (cycle walking).
package struct ProbeOrder: Sendable {
  private static let rounds = 6
  /// Fewer bits are not mixed well enough: a handful of targets goes through the numbers of so many.
  private static let fewestBits = 8

  package let count: UInt64
  private let mask: UInt64
  private let half: UInt64
  private let factors: [6 of UInt64]
  private let terms: [6 of UInt64]
  /// What undoes the factors.
  private let inverses: [6 of UInt64]

  package init(count: UInt64, seed: UInt64) {
    self.count = count
    let bits = max(Self.fewestBits, UInt64.bitWidth - (max(1, count) - 1).leadingZeroBitCount)
    mask = .max >> UInt64(UInt64.bitWidth - bits)
    half = UInt64(bits + 1) / 2
    let hash = SipHash(key: (seed, 0x6f72_6465_7232))
    let factors = [6 of UInt64] { hash.hash(UInt64(2 * $0)) | 1 }
    self.factors = factors
    terms = [6 of UInt64] { hash.hash(UInt64(2 * $0 + 1)) }
    inverses = [6 of UInt64] { factors[$0].inverse }
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

  @inline(__always)
  private func shuffled(_ value: UInt64) -> UInt64 {
    var value = value
    for round in 0..<Self.rounds {
      value = (value &* factors[round] &+ terms[round]) & mask
      value ^= value &>> half
    }
    return value
  }

  @inline(__always)
  private func restored(_ value: UInt64) -> UInt64 {
    var value = value
    for round in (0..<Self.rounds).reversed() {
      // The upper half, and a middle bit, stood as they are: so this undoes itself.
      value ^= value &>> half
      value = (value &- terms[round]) &* inverses[round] & mask
    }
    return value
  }
}

extension UInt64 {
  /// What an odd number has to be multiplied by to be 1, modulo 2^64.
  fileprivate var inverse: UInt64 {
    // It is its own inverse modulo 8, and each of Newton's steps doubles the bits that are right.
    var inverse = self
    for _ in 0..<5 { inverse &*= 2 &- self &* inverse }
    return inverse
  }
}
