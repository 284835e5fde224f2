// SPDX-License-Identifier: Apache-2.0

/// Positions that wait in lines, in the order they came: a fixed number of places for all lines together.
struct ParkedPositions: Sendable {
  /// One line. Its positions are in the places.
  struct Line: Sendable {
    fileprivate var first: Int32 = -1
    fileprivate var last: Int32 = -1
    var isEmpty: Bool { first < 0 }
  }

  private let capacity: Int
  private var positions: [UInt64] = []
  private var next: [Int32] = []
  private var free: Int32 = -1
  /// How many wait.
  private(set) var count = 0

  init(capacity: Int) { self.capacity = capacity }

  /// False where all places are taken.
  mutating func add(_ position: UInt64, to line: inout Line) -> Bool {
    guard count < capacity else { return false }
    var place = free
    if place < 0 {
      place = Int32(truncatingIfNeeded: positions.count)
      positions.append(position)
      next.append(-1)
    } else {
      free = next[Int(place)]
      positions[Int(place)] = position
      next[Int(place)] = -1
    }
    if line.last < 0 { line.first = place } else { next[Int(line.last)] = place }
    line.last = place
    count += 1
    return true
  }

  /// The first of a line, nil where nothing waits.
  mutating func take(from line: inout Line) -> UInt64? {
    guard line.first >= 0 else { return nil }
    let place = Int(line.first)
    line.first = next[place]
    if line.first < 0 { line.last = -1 }
    next[place] = free
    free = Int32(truncatingIfNeeded: place)
    count -= 1
    return positions[place]
  }

  /// Puts a whole line behind another.
  mutating func move(_ line: inout Line, to other: inout Line) {
    guard line.first >= 0 else { return }
    if other.last < 0 { other.first = line.first } else { next[Int(other.last)] = line.first }
    other.last = line.last
    line = Line()
  }
}
