// SPDX-License-Identifier: Apache-2.0

extension TargetSet {
  /// The set as plain numbers: what a checkpoint keeps, since the files, names and pipes that the targets came from may
  /// have changed by the time it is read.
  ///
  ///     port sets: how many; of each: how many ranges, then first << 16 | last of each
  ///     zones: how many; of each: how many bytes, then each byte
  ///     IPv4, then IPv6 without zone and of each zone: how many ranges; of each: first, last, number of its port set
  ///
  /// An IPv6 address takes two words, the higher one first.
  package var words: [UInt64] {
    var words = [UInt64(sets.count)]
    for set in sets {
      words.append(UInt64(set.ranges.count))
      words += set.ranges.map { UInt64($0.lowerBound) << 16 | UInt64($0.upperBound) }
    }
    words.append(UInt64(zones.count))
    for zone in zones {
      words.append(UInt64(zone.utf8.count))
      words += zone.utf8.map { UInt64($0) }
    }
    words.append(UInt64(v4.firsts.count))
    for place in v4.firsts.indices {
      words += [UInt64(v4.firsts[place]), UInt64(v4.lasts[place]), UInt64(v4.ports[place])]
    }
    for segments in v6 {
      words.append(UInt64(segments.firsts.count))
      for place in segments.firsts.indices {
        for address in [segments.firsts[place], segments.lasts[place]] {
          words += [UInt64(truncatingIfNeeded: address >> 64), UInt64(truncatingIfNeeded: address)]
        }
        words.append(UInt64(segments.ports[place]))
      }
    }
    return words
  }

  /// The set that gave these words; nil for what no set gives.
  package init?(words: some Sequence<UInt64>) {
    var words = words.makeIterator()
    guard let sets = TargetSet.readPorts(&words), let zones = TargetSet.readZones(&words) else { return nil }
    guard let v4 = TargetSet.readSegments(sets, &words, { $0.next().flatMap { UInt32(exactly: $0) } }) else {
      return nil
    }
    var v6: [Segments<UInt128>] = []
    for _ in 0...zones.count {
      let segments = TargetSet.readSegments(sets, &words) { words -> UInt128? in
        guard let high = words.next(), let low = words.next() else { return nil }
        return UInt128(high) << 64 | UInt128(low)
      }
      guard let segments else { return nil }
      v6.append(segments)
    }
    guard words.next() == nil, let set = try? TargetSet(sets: sets, v4: v4, v6: v6, zones: zones) else { return nil }
    self = set
  }

  private static func readPorts(_ words: inout some IteratorProtocol<UInt64>) -> [PortSet]? {
    guard let count = words.next() else { return nil }
    var sets: [PortSet] = []
    while sets.count < count {
      guard let rangeCount = words.next() else { return nil }
      var ranges: [ClosedRange<UInt16>] = []
      while ranges.count < rangeCount {
        guard let word = words.next(), let first = UInt16(exactly: word >> 16) else { return nil }
        let last = UInt16(truncatingIfNeeded: word)
        guard first <= last else { return nil }
        ranges.append(first...last)
      }
      sets.append(PortSet(ranges))
    }
    return sets
  }

  private static func readZones(_ words: inout some IteratorProtocol<UInt64>) -> [String]? {
    guard let count = words.next() else { return nil }
    var zones: [String] = []
    while zones.count < count {
      guard let length = words.next() else { return nil }
      var bytes: [UInt8] = []
      while bytes.count < length {
        guard let byte = words.next().flatMap({ UInt8(exactly: $0) }) else { return nil }
        bytes.append(byte)
      }
      zones.append(String(decoding: bytes, as: UTF8.self))
    }
    return zones
  }

  private static func readSegments<Words: IteratorProtocol<UInt64>, Bound>(
    _ sets: [PortSet], _ words: inout Words, _ address: (inout Words) -> Bound?
  ) -> Segments<Bound>? {
    guard let count = words.next() else { return nil }
    var segments = Segments<Bound>()
    var left = count
    var below: Bound?
    while left > 0 {
      guard let first = address(&words), let last = address(&words), let number = words.next(),
        number < sets.count, !sets[Int(number)].isEmpty, first <= last, below.map({ $0 < first }) ?? true
      else { return nil }
      let ports = sets[Int(number)].count
      guard (try? segments.append(first...last, ports: UInt32(number), portCount: ports)) != nil else { return nil }
      below = last
      left -= 1
    }
    return segments
  }
}
