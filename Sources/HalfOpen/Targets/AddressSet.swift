// SPDX-License-Identifier: Apache-2.0

package import HalfOpenWire

/// A set of addresses of both families.
package struct AddressSet: Hashable, Sendable {
  package let v4: IntervalSet<UInt32>
  package let v6: IntervalSet<UInt128>

  package init(v4: IntervalSet<UInt32> = IntervalSet([]), v6: IntervalSet<UInt128> = IntervalSet([])) {
    self.v4 = v4
    self.v6 = v6
  }

  /// The union of ranges in any order.
  package init(_ ranges: some Sequence<AddressRange>) {
    var v4: [ClosedRange<UInt32>] = []
    var v6: [ClosedRange<UInt128>] = []
    for range in ranges {
      switch range {
      case .v4(let range): v4.append(range)
      case .v6(let range): v6.append(range)
      }
    }
    self.init(v4: IntervalSet(v4), v6: IntervalSet(v6))
  }

  /// Ascending, IPv4 first, and neither overlapping nor touching.
  package var ranges: [AddressRange] { v4.ranges.map { .v4($0) } + v6.ranges.map { .v6($0) } }
  package var isEmpty: Bool { v4.isEmpty && v6.isEmpty }

  package func union(_ other: AddressSet) -> AddressSet {
    AddressSet(v4: v4.union(other.v4), v6: v6.union(other.v6))
  }

  package func subtracting(_ other: AddressSet) -> AddressSet {
    AddressSet(v4: v4.subtracting(other.v4), v6: v6.subtracting(other.v6))
  }

  package func intersection(_ other: AddressSet) -> AddressSet {
    AddressSet(v4: v4.intersection(other.v4), v6: v6.intersection(other.v6))
  }

  package func contains(_ address: IPAddress) -> Bool {
    switch address {
    case .v4(let address): v4.contains(address.rawValue)
    case .v6(let address): v6.contains(address.number)
    }
  }
}
