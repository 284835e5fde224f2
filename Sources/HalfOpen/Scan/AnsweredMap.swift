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
  /// A bit for each chunk that has changed since `takeChanges`.
  private var changed: [UInt64] = []

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
    if pages[page].isEmpty { pages[page] = AnsweredMap.blankPage }
    guard pages[page][word] & bit == 0 else { return .duplicate }
    pages[page][word] |= bit
    markChanged(page, word)
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
    changed = Array(repeating: 0, count: pages.count * AnsweredMap.chunksPerPage / 64)
    answered = 0
  }

  private static var blankPage: [UInt64] { Array(repeating: 0, count: wordsPerPage) }
  private static var wordsPerPage: Int { Int(pageSize / 64) }
}

// MARK: Saving and restoring

extension AnsweredMap {
  /// Words that are saved together.
  package static let chunkSize = 64
  private static var chunksPerPage: Int { wordsPerPage / chunkSize }

  @inline(__always)
  private mutating func markChanged(_ page: Int, _ word: Int) {
    let chunk = page &* AnsweredMap.chunksPerPage &+ word / AnsweredMap.chunkSize
    changed[chunk / 64] |= 1 << UInt64(chunk % 64)
  }

  /// What has changed since the last call or since the window was opened: chunks of words, neighbours joined.
  ///
  /// - Returns: pieces in ascending order; the offset is in words from the window's start.
  package mutating func takeChanges() -> [(offset: UInt64, words: [UInt64])] {
    var pieces: [(offset: UInt64, words: [UInt64])] = []
    for place in changed.indices where changed[place] != 0 {
      var bits = changed[place]
      changed[place] = 0
      while bits != 0 {
        // A run of chunks, within one page: 64 chunks never cross into the next.
        let first = bits.trailingZeroBitCount
        let count = (~(bits >> UInt64(first))).trailingZeroBitCount
        bits &= count + first >= 64 ? 0 : .max << UInt64(first + count)
        let chunk = place * 64 + first
        let page = chunk / AnsweredMap.chunksPerPage
        let start = chunk % AnsweredMap.chunksPerPage * AnsweredMap.chunkSize
        let offset = page * AnsweredMap.wordsPerPage + start
        let end = min(start + count * AnsweredMap.chunkSize, start + wordCount - offset)
        pieces.append((UInt64(offset), Array(pages[page][start..<end])))
      }
    }
    return pieces
  }

  /// Words that hold the window.
  private var wordCount: Int { Int((window.upperBound - window.lowerBound + 63) / 64) }

  /// Opens a window that a map of the same positions and capacity had, empty. False for any other.
  package mutating func open(_ saved: Range<UInt64>) -> Bool {
    guard saved.lowerBound >= positions.lowerBound, saved.lowerBound <= positions.upperBound,
      (saved.lowerBound - positions.lowerBound) % capacity == 0 || saved.lowerBound == positions.upperBound
    else { return false }
    open(from: saved.lowerBound)
    return window == saved
  }

  /// Sets the bits of a piece. It counts as a change. What lies outside the window is left out.
  package mutating func restore(offset: UInt64, words: [UInt64]) {
    for (index, word) in words.enumerated() where word != 0 {
      let place = offset.addingReportingOverflow(UInt64(index))
      guard !place.overflow, place.partialValue < UInt64(wordCount) else { return }
      let number = Int(place.partialValue)
      let rest = window.upperBound - window.lowerBound - UInt64(number) * 64
      let inside = rest >= 64 ? UInt64.max : (1 << rest) - 1
      let (page, slot) = number.quotientAndRemainder(dividingBy: AnsweredMap.wordsPerPage)
      if pages[page].isEmpty { pages[page] = AnsweredMap.blankPage }
      let new = word & inside & ~pages[page][slot]
      guard new != 0 else { continue }
      pages[page][slot] |= new
      markChanged(page, slot)
      answered += UInt64(new.nonzeroBitCount)
    }
  }
}
