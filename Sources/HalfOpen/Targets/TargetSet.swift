// SPDX-License-Identifier: Apache-2.0

package import HalfOpenWire

/// Which ports to probe on which addresses, each pair once and with a number: 0 to `count` - 1.
///
/// IPv4 comes first, then IPv6, then the scoped addresses of each zone. Both ways between number and pair take a search
/// in the ranges. Equal sets have equal numbers, however they were written.
package struct TargetSet: Sendable {
  /// A pair of address and port.
  package struct Element: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16
    /// 0 for an address without zone, else the place in ``zones``, from one.
    package var zone: Int

    package init(address: IPAddress, port: UInt16, zone: Int = 0) {
      self.address = address
      self.port = port
      self.zone = zone
    }
  }

  /// How many pairs there are.
  package let count: UInt64
  /// The interfaces that scoped targets name.
  package let zones: [String]
  let sets: [PortSet]
  private let shelf: PortShelf
  let v4: Segments<UInt32>
  /// Without zone, then one for each zone.
  let v6: [Segments<UInt128>]
  /// The number of the first target of each of `v6`.
  private let bases: [UInt64]

  init(
    sets: [PortSet], v4: Segments<UInt32>, v6: [Segments<UInt128>], zones: [String]
  ) throws(CheckError) {
    var count = v4.count
    var bases: [UInt64] = []
    for segments in v6 {
      bases.append(count)
      guard case (let sum, false) = count.addingReportingOverflow(segments.count) else { throw .tooManyTargets }
      count = sum
    }
    self.count = count
    self.zones = zones
    self.sets = sets
    shelf = PortShelf(sets)
    self.v4 = v4
    self.v6 = v6
    self.bases = bases
  }

  /// The pair of a number, which has to be below `count`.
  @inline(__always)
  package subscript(index: UInt64) -> Element {
    precondition(index < count)
    guard index < v4.count else { return v6Element(index) }
    let (address, port) = v4.target(at: index, on: shelf)
    return Element(address: .v4(IPv4Address(rawValue: address)), port: port)
  }

  @inline(__always)
  private func v6Element(_ index: UInt64) -> Element {
    let zone = partition(bases.count) { bases[$0] > index } - 1
    let (address, port) = v6[zone].target(at: index - bases[zone], on: shelf)
    return Element(address: .v6(IPv6Address(number: address)), port: port, zone: zone)
  }

  /// The interface of a zone by its place in `zones`, from one; nil for 0, which is none.
  func zoneName(_ place: Int) -> String? { place > 0 ? zones[place - 1] : nil }

  /// The number of a pair, nil for one that is not in the set.
  package func index(of element: Element) -> UInt64? {
    switch element.address {
    case .v4(let address):
      return element.zone == 0 ? v4.index(of: address.rawValue, port: element.port, on: shelf) : nil
    case .v6(let address):
      guard v6.indices.contains(element.zone) else { return nil }
      return v6[element.zone].index(of: address.number, port: element.port, on: shelf).map { $0 + bases[element.zone] }
    }
  }

  /// Ascending ranges of the IPv4 addresses, disjoint.
  var v4Ranges: [ClosedRange<UInt32>] { v4.ranges }
  /// Ascending ranges of the IPv6 addresses, disjoint: without zone, then for each zone.
  var v6Ranges: [[ClosedRange<UInt128>]] { v6.map(\.ranges) }

  /// How many targets lie at addresses of `range`, in one zone or without one.
  func count(in range: AddressRange, zone: Int = 0) -> UInt64 {
    switch range {
    case .v4(let range): zone == 0 ? v4.count(in: range) : 0
    case .v6(let range): v6.indices.contains(zone) ? v6[zone].count(in: range) : 0
    }
  }

  /// All ports that any address has.
  package var ports: PortSet { PortSet(usedSets.flatMap(\.ranges)) }
  /// Every address has the same ports.
  package var hasSamePorts: Bool { usedSets.count <= 1 }
  /// How many addresses there are, each in each of its zones; nil for 2^64 or more.
  package var hostCount: UInt64? {
    var count = v4.ranges.reduce(UInt64(0)) { $0 + UInt64($1.upperBound - $1.lowerBound) + 1 }
    for range in v6.flatMap(\.ranges) {
      guard let size = range.size, case (let sum, false) = count.addingReportingOverflow(size) else { return nil }
      count = sum
    }
    return count
  }

  private var usedSets: Set<PortSet> {
    Set((Set(v4.ports).union(v6.flatMap(\.ports))).map { sets[Int($0)] })
  }

  /// All addresses, whatever their zone.
  package var addresses: AddressSet {
    AddressSet(v4: IntervalSet(v4.ranges), v6: IntervalSet(v6.flatMap(\.ranges)))
  }

  /// The same for equal sets, in every run: what a checkpoint or another shard knows the job by. Not a proof against
  /// who wants two sets to look equal.
  package var fingerprint: UInt64 {
    let hash = SipHash(key: (0x6861_6c66_6f70_656e, 0x7461_7267_6574_7331))
    var value = count
    func absorb(_ segments: Segments<some FixedWidthInteger>) {
      for (place, range) in segments.ranges.enumerated() {
        let first = UInt128(range.lowerBound), last = UInt128(range.upperBound)
        value = hash.hash(
          value, UInt64(truncatingIfNeeded: first >> 64), UInt64(truncatingIfNeeded: first),
          UInt64(truncatingIfNeeded: last >> 64), UInt64(truncatingIfNeeded: last), 0)
        for ports in sets[Int(segments.ports[place])].ranges {
          value = hash.hash(value, UInt64(ports.lowerBound), UInt64(ports.upperBound), 0, 0, 1)
        }
      }
    }
    absorb(v4)
    for (place, segments) in v6.enumerated() {
      value = hash.hash(value, UInt64(place), 0, 0, 0, 2)
      if place > 0 { for byte in zones[place - 1].utf8 { value = hash.hash(value, UInt64(byte), 0, 0, 0, 3) } }
      absorb(segments)
    }
    return value
  }
}
