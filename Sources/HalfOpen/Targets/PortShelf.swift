// SPDX-License-Identifier: Apache-2.0

/// Port sets side by side in flat arrays: a lookup touches no reference count, as one in an array of sets would.
struct PortShelf: Sendable {
  /// Where each set's ranges begin; one more at the end.
  private var starts: [Int] = [0]
  private var counts: [UInt64] = []
  /// Each set's lowest port.
  private var lowest: [UInt16] = []
  private var firsts: [UInt16] = []
  private var lasts: [UInt16] = []
  /// How many ports of the set come before each range.
  private var before: [Int] = []

  init(_ sets: [PortSet]) {
    for set in sets {
      var count = 0
      for range in set.ranges {
        firsts.append(range.lowerBound)
        lasts.append(range.upperBound)
        before.append(count)
        count += range.count
      }
      starts.append(firsts.count)
      counts.append(UInt64(count))
      lowest.append(set.ranges.first?.lowerBound ?? 0)
    }
  }

  /// How many ports set `number` has.
  func count(_ number: Int) -> UInt64 { counts[number] }

  /// The port of set `number`, which has one.
  func onlyPort(in number: Int) -> UInt16 { lowest[number] }

  /// The port with `rank` lower ones in set `number`; the rank has to be below its count.
  func port(at rank: Int, in number: Int) -> UInt16 {
    let start = starts[number]
    let range = start + partition(starts[number + 1] - start) { before[start + $0] > rank } - 1
    return firsts[range] + UInt16(truncatingIfNeeded: rank - before[range])
  }

  /// How many lower ports are in set `number`; nil for a port that is not in it.
  func rank(of port: UInt16, in number: Int) -> Int? {
    let start = starts[number]
    let range = start + partition(starts[number + 1] - start) { firsts[start + $0] > port } - 1
    guard range >= start, port <= lasts[range] else { return nil }
    return before[range] + Int(port - firsts[range])
  }
}
