// SPDX-License-Identifier: Apache-2.0

/// Each port set once, by number.
struct PortTable: Sendable {
  private(set) var sets: [PortSet] = []
  private var numbers: [PortSet: UInt32] = [:]

  mutating func number(of ports: PortSet) -> UInt32 {
    if let number = numbers[ports] { return number }
    let number = UInt32(sets.count)
    sets.append(ports)
    numbers[ports] = number
    return number
  }
}

/// What was included and excluded in one address space, as it came: ranges that overlap at will.
struct TargetLayers<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
  /// Which ports a layer puts on its addresses or takes from them.
  struct Layer: Hashable, Comparable, Sendable {
    var isExcluded: Bool
    var ports: UInt32

    static func < (left: Layer, right: Layer) -> Bool {
      left.isExcluded == right.isExcluded ? left.ports < right.ports : right.isExcluded
    }
  }

  private var items: [(range: ClosedRange<Bound>, layer: Layer)] = []

  mutating func add(_ range: ClosedRange<Bound>, _ layer: Layer) { items.append((range, layer)) }

  mutating func addExclusions(of other: TargetLayers) {
    items += other.items.lazy.filter { $0.layer.isExcluded }
  }

  /// The disjoint segments: on each address the union of the ports included there, less those excluded there or
  /// everywhere.
  ///
  /// - Throws: `CheckError` where more than 2^64 - 1 targets come out.
  consuming func segments(without excluded: PortSet, in table: inout PortTable) throws(CheckError) -> Segments<Bound> {
    foldEqualRanges(in: &table)
    let layers = Dictionary(grouping: items, by: \.layer)
      .mapValues { IntervalSet($0.lazy.map(\.range)).ranges }
    var sweep = LayerSweep(layers: layers, excluded: excluded)
    return try sweep.run(in: &table)
  }

  /// Many ports of one host, a line each, become one set: else the sweep would carry as many layers.
  private mutating func foldEqualRanges(in table: inout PortTable) {
    items.sort { left, right in
      if left.range.lowerBound != right.range.lowerBound { return left.range.lowerBound < right.range.lowerBound }
      if left.range.upperBound != right.range.upperBound { return left.range.upperBound < right.range.upperBound }
      return left.layer < right.layer
    }
    var folded = 0
    var start = 0
    while start < items.count {
      let (range, layer) = items[start]
      var end = start + 1
      while end < items.count, items[end].range == range, items[end].layer.isExcluded == layer.isExcluded { end += 1 }
      var ports = layer.ports
      if items[start..<end].contains(where: { $0.layer.ports != ports }) {
        ports = table.number(of: PortSet(items[start..<end].flatMap { table.sets[Int($0.layer.ports)].ranges }))
      }
      items[folded] = (range, Layer(isExcluded: layer.isExcluded, ports: ports))
      folded += 1
      start = end
    }
    items.removeSubrange(folded...)
  }
}

/// Walks the address space once and stops wherever a layer begins or ends.
private struct LayerSweep<Bound: FixedWidthInteger & UnsignedInteger & Sendable> {
  typealias Layer = TargetLayers<Bound>.Layer

  private let excluded: PortSet
  private var starts: [(at: Bound, layer: Layer)] = []
  private var ends: [(at: Bound, layer: Layer)] = []
  /// Sorted, so that it names the combination.
  private var active: [Layer] = []
  private var known: [[Layer]: UInt32] = [:]

  /// - Parameter layers: the ranges of a layer ascend and do not overlap.
  init(layers: [Layer: [ClosedRange<Bound>]], excluded: PortSet) {
    self.excluded = excluded
    for (layer, ranges) in layers {
      for range in ranges {
        starts.append((range.lowerBound, layer))
        ends.append((range.upperBound, layer))
      }
    }
    starts.sort { $0.at < $1.at }
    ends.sort { $0.at < $1.at }
  }

  mutating func run(in table: inout PortTable) throws(CheckError) -> Segments<Bound> {
    var segments = Segments<Bound>()
    var nextStart = 0
    var nextEnd = 0
    var position: Bound = 0
    while nextEnd < ends.count {
      if active.isEmpty { position = starts[nextStart].at }
      while nextStart < starts.count, starts[nextStart].at == position {
        let layer = starts[nextStart].layer
        active.insert(layer, at: partition(active.count) { active[$0] > layer })
        nextStart += 1
      }
      var last = ends[nextEnd].at
      if nextStart < starts.count, starts[nextStart].at <= last { last = starts[nextStart].at - 1 }
      let ports = ports(in: &table)
      if !table.sets[Int(ports)].isEmpty {
        try segments.append(position...last, ports: ports, portCount: table.sets[Int(ports)].count)
      }
      while nextEnd < ends.count, ends[nextEnd].at == last {
        let layer = ends[nextEnd].layer
        active.removeAll { $0 == layer }
        nextEnd += 1
      }
      if last < .max { position = last + 1 }
    }
    return segments
  }

  /// The ports that the active layers leave.
  private mutating func ports(in table: inout PortTable) -> UInt32 {
    if let number = known[active] { return number }
    let sets = table.sets
    func union(_ layers: some Sequence<Layer>) -> PortSet { PortSet(layers.flatMap { sets[Int($0.ports)].ranges }) }
    let ports = union(active.lazy.filter { !$0.isExcluded })
      .subtracting(union(active.lazy.filter(\.isExcluded))).subtracting(excluded)
    let number = table.number(of: ports)
    known[active] = number
    return number
  }
}
