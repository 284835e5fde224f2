// SPDX-License-Identifier: Apache-2.0

/// One address prefix that may make a difference to how a packet goes: a route's, a policy rule's, an own network's.
struct RoutePrefix<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Hashable, Sendable {
  var range: ClosedRange<Bound>
  /// Equal for prefixes that mean the same, such as routes that differ in nothing but their prefix.
  var meaning: Int32
}

/// Cuts address ranges where routing may change.
enum RoutePieces {
  /// Calls `body` with each piece of `targets`, ascending. Within a piece all addresses have the same prefixes around
  /// them, and so the same way.
  ///
  /// Pieces with the same `situation` have prefixes of the same meanings around them, in the same order: one answer of
  /// the kernel serves all of them, unless that answer depends on the address by itself. There are at most
  /// 2 · `prefixes` + `targets` pieces, and work and memory are in proportion, but for the sorting.
  ///
  /// - Parameters:
  ///   - targets: ascending and disjoint.
  ///   - prefixes: in any order. Of any two either one holds the other or they are disjoint, as it is with prefixes.
  static func cut<Bound>(
    _ targets: [ClosedRange<Bound>], at prefixes: [RoutePrefix<Bound>],
    _ body: (_ piece: ClosedRange<Bound>, _ situation: Int) -> Void
  ) {
    let prefixes = prefixes.sorted {
      ($0.range.lowerBound, $1.range.upperBound, $0.meaning) < ($1.range.lowerBound, $0.range.upperBound, $1.meaning)
    }
    var situations = Situations()
    /// The prefixes around the place reached, the widest first.
    var around: [(last: Bound, situation: Int)] = []
    var next = 0
    for target in targets {
      var first = target.lowerBound
      while true {
        while next < prefixes.count, prefixes[next].range.lowerBound <= first {
          let prefix = prefixes[next]
          next += 1
          guard prefix.range.upperBound >= first else { continue }
          while let inner = around.last, inner.last < prefix.range.lowerBound { around.removeLast() }
          let outer = around.last?.situation ?? Situations.none
          around.append((prefix.range.upperBound, situations.inside(outer, prefix.meaning)))
        }
        while let inner = around.last, inner.last < first { around.removeLast() }
        var last = min(target.upperBound, around.last?.last ?? .max)
        if next < prefixes.count { last = min(last, prefixes[next].range.lowerBound - 1) }
        body(first...last, around.last?.situation ?? Situations.none)
        if last == target.upperBound { break }
        first = last + 1
      }
    }
  }

  /// Numbers for what lies around an address: a chain of meanings, from the widest prefix to the narrowest.
  private struct Situations {
    private struct Step: Hashable {
      var outer: Int
      var meaning: Int32
    }

    static let none = 0
    private var numbers: [Step: Int] = [:]
    private var meanings: [Int32] = [-1]

    mutating func inside(_ outer: Int, _ meaning: Int32) -> Int {
      // A route within one of the same meaning changes nothing.
      if meanings[outer] == meaning { return outer }
      let step = Step(outer: outer, meaning: meaning)
      if let known = numbers[step] { return known }
      meanings.append(meaning)
      numbers[step] = meanings.count - 1
      return meanings.count - 1
    }
  }
}
