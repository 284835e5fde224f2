// SPDX-License-Identifier: Apache-2.0

/// A set of whole numbers in one form only: closed ranges, ascending, that neither overlap nor touch.
package struct IntervalSet<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Hashable, Sendable {
  /// Ascending, and neither overlapping nor touching.
  package let ranges: [ClosedRange<Bound>]

  /// The union of ranges in any order.
  package init(_ ranges: some Sequence<ClosedRange<Bound>>) {
    var merged: [ClosedRange<Bound>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      guard let last = merged.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
        merged.append(range)
        continue
      }
      merged[merged.count - 1] = last.lowerBound...Swift.max(last.upperBound, range.upperBound)
    }
    self.ranges = merged
  }

  private init(canonical ranges: [ClosedRange<Bound>]) { self.ranges = ranges }

  package var isEmpty: Bool { ranges.isEmpty }

  package func union(_ other: Self) -> Self {
    if isEmpty { return other }
    return other.isEmpty ? self : Self(ranges + other.ranges)
  }

  package func subtracting(_ other: Self) -> Self {
    var kept: [ClosedRange<Bound>] = []
    var next = 0
    for range in ranges {
      while next < other.ranges.count, other.ranges[next].upperBound < range.lowerBound { next += 1 }
      var low = range.lowerBound
      var isUsedUp = false
      while next < other.ranges.count, other.ranges[next].lowerBound <= range.upperBound {
        let hole = other.ranges[next]
        if hole.lowerBound > low { kept.append(low...(hole.lowerBound - 1)) }
        // A hole that reaches beyond this range may reach into the next one: it stays.
        guard hole.upperBound < range.upperBound else {
          isUsedUp = true
          break
        }
        low = hole.upperBound + 1
        next += 1
      }
      if !isUsedUp { kept.append(low...range.upperBound) }
    }
    return Self(canonical: kept)
  }

  package func intersection(_ other: Self) -> Self { subtracting(subtracting(other)) }

  package func contains(_ value: Bound) -> Bool {
    // The ranges before `index` start at or below the value.
    let index = partition(ranges.count) { ranges[$0].lowerBound > value }
    return index > 0 && value <= ranges[index - 1].upperBound
  }

  /// How many numbers there are, nil for more than 2^64 - 1.
  package var count: UInt64? {
    var total: UInt64 = 0
    for range in ranges {
      guard let size = range.size else { return nil }
      let (sum, overflow) = total.addingReportingOverflow(size)
      guard !overflow else { return nil }
      total = sum
    }
    return total
  }
}

extension ClosedRange where Bound: FixedWidthInteger & UnsignedInteger {
  /// How many numbers there are, nil for more than 2^64 - 1.
  var size: UInt64? {
    guard let span = UInt64(exactly: upperBound - lowerBound), span < .max else { return nil }
    return span + 1
  }

  func encloses(_ other: ClosedRange) -> Bool { lowerBound <= other.lowerBound && other.upperBound <= upperBound }
}

/// The first of `0..<count` for which `isBeyond` holds, or `count`. It has to hold for all that follow.
@inline(__always)
func partition(_ count: Int, isBeyond: (Int) -> Bool) -> Int {
  var low = 0
  var high = count
  while low < high {
    let middle = (low &+ high) >> 1
    if isBeyond(middle) { high = middle } else { low = middle &+ 1 }
  }
  return low
}
