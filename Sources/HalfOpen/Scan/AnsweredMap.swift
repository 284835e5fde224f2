// SPDX-License-Identifier: Apache-2.0

/// Which probed positions have had an answer: one bit each, exact.
///
/// Memory comes in pages of 64 KiB, with the first answer in a page. Up to `capacity` positions are held; a sweep with
/// more goes through them window by window, each probed, repeated to the silent and waited for before `advance()`
/// opens the next. An answer that comes for a window already closed is `.late`: its target has been called silent, and
/// whether it is the first answer is no longer known.
package struct AnsweredMap: Sendable {
  /// What an answer is.
  package enum Answer: Hashable, Sendable {
    /// The first to its position.
    case first
    case duplicate
    /// To a position below the window.
    case late
    /// To a position above the window, which has not been probed.
    case early
  }

  /// Positions a page holds.
  package static let pageSize: UInt64 = 1 << 19
  /// 2^32 positions, half a gibibyte: one port of all IPv4.
  package static let defaultCapacity: UInt64 = 1 << 32

  /// The positions that are held.
  package private(set) var window: Range<UInt64>
  /// How many of them have had an answer.
  package private(set) var answered: UInt64 = 0
  /// Every position of the window has had an answer.
  package var isFull: Bool { answered == window.upperBound - window.lowerBound }
  private let positions: Range<UInt64>
  private let capacity: UInt64
  /// A page without answers is empty.
  private var pages: [[UInt64]] = []

  /// - Parameters:
  ///   - positions: all that the sweep will probe.
  ///   - capacity: how many at most are held, rounded up to whole pages; 2^40 at most.
  package init(positions: Range<UInt64>, capacity: UInt64 = defaultCapacity) {
    self.positions = positions
    let bounded = min(max(capacity, 1), 1 << 40)
    self.capacity = (bounded + AnsweredMap.pageSize - 1) / AnsweredMap.pageSize * AnsweredMap.pageSize
    window = positions.lowerBound..<positions.lowerBound
    open(from: positions.lowerBound)
  }

  /// Forgets the window and opens the next: empty after the last.
  package mutating func advance() { open(from: window.upperBound) }

  /// Notes an answer and says what it is.
  package mutating func note(_ position: UInt64) -> Answer {
    guard position >= window.lowerBound else { return .late }
    guard position < window.upperBound else { return .early }
    let (page, word, bit) = place(position)
    if pages[page].isEmpty { pages[page] = [UInt64](repeating: 0, count: Int(AnsweredMap.pageSize / 64)) }
    guard pages[page][word] & bit == 0 else { return .duplicate }
    pages[page][word] |= bit
    answered += 1
    return .first
  }

  /// Whether a position within the window has had an answer.
  package func isAnswered(_ position: UInt64) -> Bool {
    guard window.contains(position) else { return false }
    let (page, word, bit) = place(position)
    return !pages[page].isEmpty && pages[page][word] & bit != 0
  }

  /// The first position of the window from `start` on that has had no answer, nil where none is left.
  ///
  /// A pass over the silent starts at the window's lower bound and goes on from each result plus one: what answers
  /// meanwhile is left out, and nothing but the position is kept between two calls.
  package func nextSilent(from start: UInt64) -> UInt64? {
    var position = max(start, window.lowerBound)
    while position < window.upperBound {
      let (page, word, bit) = place(position)
      guard !pages[page].isEmpty else { return position }
      // The bits from this position on within its word.
      let silent = ~pages[page][word] & ~(bit &- 1)
      if silent != 0 {
        let found = position &- UInt64(bit.trailingZeroBitCount) &+ UInt64(silent.trailingZeroBitCount)
        return found < window.upperBound ? found : nil
      }
      let (next, overflow) = position.addingReportingOverflow(64 - UInt64(bit.trailingZeroBitCount))
      guard !overflow else { return nil }
      position = next
    }
    return nil
  }

  /// How many positions of a range of the window have had no answer.
  package func silent(in range: Range<UInt64>) -> UInt64 {
    let range = range.clamped(to: window)
    guard range != window else { return window.upperBound - window.lowerBound - answered }
    var count: UInt64 = 0
    var position = range.lowerBound
    while position < range.upperBound {
      let (page, word, bit) = place(position)
      let size = min(64 - UInt64(bit.trailingZeroBitCount), range.upperBound - position)
      let inside = size == 64 ? UInt64.max : ((1 << size) - 1) << UInt64(bit.trailingZeroBitCount)
      let answers = pages[page].isEmpty ? 0 : pages[page][word] & inside
      count += size - UInt64(answers.nonzeroBitCount)
      position += size
    }
    return count
  }

  /// Pages start at the window's first position.
  @inline(__always)
  private func place(_ position: UInt64) -> (page: Int, word: Int, bit: UInt64) {
    let offset = position &- window.lowerBound
    return (
      Int(truncatingIfNeeded: offset / AnsweredMap.pageSize),
      Int(truncatingIfNeeded: offset % AnsweredMap.pageSize / 64), 1 << (offset % 64)
    )
  }

  private mutating func open(from start: UInt64) {
    window = start..<(start + min(capacity, positions.upperBound - start))
    let size = window.upperBound - window.lowerBound
    pages = Array(repeating: [], count: Int((size + AnsweredMap.pageSize - 1) / AnsweredMap.pageSize))
    answered = 0
  }
}
