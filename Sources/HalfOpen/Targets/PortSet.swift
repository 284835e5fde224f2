// SPDX-License-Identifier: Apache-2.0

/// A set of TCP ports, read from `22,80,8000-8010`; `-` is all of them, `-1023` and `60000-` are open ranges.
package struct PortSet: Hashable, Sendable {
  private let intervals: IntervalSet<UInt16>
  /// How many ports come before each range.
  private let before: [Int]
  /// How many ports there are.
  package let count: Int

  package init(_ ranges: some Sequence<ClosedRange<UInt16>>) { self.init(IntervalSet(ranges)) }

  private init(_ intervals: IntervalSet<UInt16>) {
    self.intervals = intervals
    var before: [Int] = []
    var count = 0
    for range in intervals.ranges {
      before.append(count)
      count += range.count
    }
    self.before = before
    self.count = count
  }

  /// 1 to 65535.
  package static let all = PortSet([1...65535])
  package static let none = PortSet([])

  /// Ascending, and neither overlapping nor touching.
  package var ranges: [ClosedRange<UInt16>] { intervals.ranges }
  package var isEmpty: Bool { count == 0 }

  package func union(_ other: PortSet) -> PortSet { PortSet(intervals.union(other.intervals)) }
  package func subtracting(_ other: PortSet) -> PortSet { PortSet(intervals.subtracting(other.intervals)) }
  package func contains(_ port: UInt16) -> Bool { intervals.contains(port) }

  /// The port with `rank` lower ones in the set. The rank has to be below `count`.
  package func port(at rank: Int) -> UInt16 {
    let range = partition(before.count) { before[$0] > rank } - 1
    return ranges[range].lowerBound + UInt16(rank - before[range])
  }
}

extension PortSet {
  /// Reads a list.
  ///
  /// - Throws: `InputError` that says which item is wrong, and where.
  package init(_ text: some StringProtocol) throws(InputError) {
    var ranges: [ClosedRange<UInt16>] = []
    var offset = 0
    for item in Array(text.utf8).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let range = PortSet.range(item) else {
        throw InputError(
          offset: offset, what: "port '\(String(decoding: item, as: UTF8.self))'",
          advice: "use numbers from 1 to 65535 and ranges, as in 22,80,8000-8010")
      }
      ranges.append(range)
      offset += item.count + 1
    }
    self.init(ranges)
  }

  private static func range(_ item: ArraySlice<UInt8>) -> ClosedRange<UInt16>? {
    let ends = item.split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let low = ends[0].isEmpty && ends.count == 2 ? 1 : port(ends[0]) else { return nil }
    guard ends.count == 2 else { return low...low }
    guard let high = ends[1].isEmpty ? .max : port(ends[1]), low <= high else { return nil }
    return low...high
  }

  /// Digits only: a sign or a blank is a mistake. Leading zeros are fine within ten digits.
  private static func port(_ digits: some Collection<UInt8>) -> UInt16? {
    guard (1...10).contains(digits.count) else { return nil }
    var value = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int(digit - 0x30)
    }
    return value > 0 ? UInt16(exactly: value) : nil
  }
}

extension PortSet: CustomStringConvertible {
  /// The text that `init(_:)` reads.
  package var description: String {
    ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }
}

extension PortSet: Sequence {
  package func makeIterator() -> Iterator { Iterator(ports: self) }

  /// The ports in ascending order.
  package struct Iterator: IteratorProtocol, Sendable {
    private let ports: PortSet
    private var rank = 0

    fileprivate init(ports: PortSet) { self.ports = ports }

    package mutating func next() -> UInt16? {
      guard rank < ports.count else { return nil }
      defer { rank += 1 }
      return ports.port(at: rank)
    }
  }
}
