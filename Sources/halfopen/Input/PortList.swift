// SPDX-License-Identifier: Apache-2.0

/// A set of TCP ports, read from `22,80,8000-8010`; `-` is all of them, `-1023` and `60000-` are open ranges.
struct PortList: Hashable, Sendable {
  /// Ascending, and neither overlapping nor touching.
  let ranges: [ClosedRange<UInt16>]

  init(ranges: [ClosedRange<UInt16>]) {
    var merged: [ClosedRange<UInt16>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
        merged[merged.count - 1] = last.lowerBound...Swift.max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    self.ranges = merged
  }

  /// How many ports there are.
  var count: Int { ranges.reduce(0) { $0 + Int($1.upperBound) - Int($1.lowerBound) + 1 } }

  /// Reads a list, or says which item is wrong.
  static func parse(_ text: some StringProtocol) -> Result<PortList, InputError> {
    var ranges: [ClosedRange<UInt16>] = []
    var offset = 0
    for item in Array(text.utf8).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let range = range(item) else {
        return .failure(
          InputError(
            offset: offset, what: "port '\(String(decoding: item, as: UTF8.self))'",
            advice: "use numbers from 1 to 65535 and ranges, as in 22,80,8000-8010"))
      }
      ranges.append(range)
      offset += item.count + 1
    }
    return .success(PortList(ranges: ranges))
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

extension PortList: Sequence {
  func makeIterator() -> Iterator { Iterator(ranges: ranges) }

  /// The ports in ascending order.
  struct Iterator: IteratorProtocol, Sendable {
    private let ranges: [ClosedRange<UInt16>]
    private var position = 0
    private var upcoming: Int

    fileprivate init(ranges: [ClosedRange<UInt16>]) {
      self.ranges = ranges
      upcoming = ranges.first.map { Int($0.lowerBound) } ?? 0
    }

    mutating func next() -> UInt16? {
      guard position < ranges.count else { return nil }
      let port = UInt16(upcoming)
      if port == ranges[position].upperBound {
        position += 1
        if position < ranges.count { upcoming = Int(ranges[position].lowerBound) }
      } else {
        upcoming += 1
      }
      return port
    }
  }
}
