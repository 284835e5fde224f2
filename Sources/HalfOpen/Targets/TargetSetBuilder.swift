// SPDX-License-Identifier: Apache-2.0

/// Gathers what to probe and what not, in any order, and makes a `TargetSet` of it.
///
/// An exclusion beats every target. Reserved ranges are left out of each target that does not lie inside them, so
/// 0.0.0.0/0 has none of 10.0.0.0/8, 10.1.0.0/16 is probed, and both together are 10.1.0.0/16 and what is public.
package struct TargetSetBuilder: Sendable {
  /// A name, to be resolved by somebody else and given back as addresses.
  package struct Name: Hashable, Sendable {
    package var name: String
    /// All ports for an exclusion that names none.
    package var ports: PortSet
    package var isExcluded: Bool
  }

  /// A reserved range of which targets were left out.
  package struct LeftOut: Hashable, Sendable {
    package var reserved: ReservedRange
    /// How many addresses of it, nil for 2^64 or more.
    package var addresses: UInt64?
  }

  /// Names that came, in order.
  package private(set) var names: [Name] = []
  private let ports: PortSet?
  private let excludedPorts: PortSet
  private var table = PortTable()
  private var zones: [String] = []
  private var v4 = TargetLayers<UInt32>()
  /// Without zone, then one for each zone.
  private var v6 = [TargetLayers<UInt128>()]
  private var excluded: [AddressRange] = []
  private var trimmed: [AddressRange] = []

  /// - Parameters:
  ///   - ports: for targets that name none.
  ///   - excludedPorts: never probed, whatever a target says.
  package init(ports: PortSet?, excludedPorts: PortSet = .none) {
    self.ports = ports
    self.excludedPorts = excludedPorts
  }

  /// Adds a target.
  ///
  /// - Throws: `InputError` for one without ports where there are none to go with it.
  package mutating func include(_ word: TargetWord) throws(InputError) {
    guard let ports = word.ports ?? ports else {
      throw InputError(what: "target '\(word)': no port", advice: "add one, as in \(word.withPort), or give -p")
    }
    switch word.hosts {
    case .name(let name): names.append(Name(name: name, ports: ports, isExcluded: false))
    case .addresses(let range, let zone):
      for part in withoutReserved(range).ranges { add(part, zone: zone, ports: ports, isExcluded: false) }
    }
  }

  /// Takes out an address range or a name, on all ports or on some.
  package mutating func exclude(_ word: TargetWord) {
    switch word.hosts {
    case .name(let name): names.append(Name(name: name, ports: word.ports ?? .all, isExcluded: true))
    case .addresses(let range, let zone):
      if word.ports == nil, zone == nil { excluded.append(range) }
      add(range, zone: zone, ports: word.ports ?? .all, isExcluded: true)
    }
  }

  /// The set, and what it lacks of the targets because it is reserved.
  ///
  /// - Throws: `CheckError` for 2^64 targets or more.
  package consuming func build() throws(CheckError) -> (targets: TargetSet, leftOut: [LeftOut]) {
    let everywhere = v6[0]
    for zone in v6.indices.dropFirst() { v6[zone].addExclusions(of: everywhere) }
    let segments4 = try v4.segments(without: excludedPorts, in: &table)
    var segments6: [Segments<UInt128>] = []
    for layers in v6 { segments6.append(try layers.segments(without: excludedPorts, in: &table)) }
    let targets = try TargetSet(sets: table.sets, v4: segments4, v6: segments6, zones: zones)

    var lost = AddressSet(trimmed).subtracting(AddressSet(excluded)).subtracting(targets.addresses)
    var leftOut: [LeftOut] = []
    // The narrow one of two comes last in the list.
    for reserved in ReservedRange.all.reversed() {
      let range = AddressSet([reserved.range])
      let part = lost.intersection(range)
      guard !part.isEmpty else { continue }
      leftOut.append(LeftOut(reserved: reserved, addresses: part.count))
      lost = lost.subtracting(range)
    }
    return (targets, leftOut.reversed())
  }

  private mutating func withoutReserved(_ range: AddressRange) -> AddressSet {
    let whole = AddressSet([range])
    // A single address lies inside a range or outside of it.
    guard range.first != range.last else { return whole }
    let left = AddressSet(ReservedRange.all.lazy.map(\.range).filter { !range.isInside($0) })
    let kept = whole.subtracting(left)
    trimmed += whole.subtracting(kept).ranges
    return kept
  }

  private mutating func add(_ range: AddressRange, zone: String?, ports: PortSet, isExcluded: Bool) {
    let number = table.number(of: ports)
    switch range {
    case .v4(let range): v4.add(range, TargetLayers.Layer(isExcluded: isExcluded, ports: number))
    case .v6(let range):
      v6[place(of: zone)].add(range, TargetLayers.Layer(isExcluded: isExcluded, ports: number))
    }
  }

  private mutating func place(of zone: String?) -> Int {
    guard let zone else { return 0 }
    if let place = zones.firstIndex(of: zone) { return place + 1 }
    zones.append(zone)
    v6.append(TargetLayers())
    return zones.count
  }
}

extension TargetWord {
  /// An example of how to write it with a port.
  fileprivate var withPort: TargetWord { TargetWord(hosts: hosts, ports: PortSet([80...80])) }
}

extension AddressSet {
  /// How many addresses there are, nil for 2^64 or more.
  package var count: UInt64? {
    guard let v4 = v4.count, let v6 = v6.count, case (let sum, false) = v4.addingReportingOverflow(v6) else {
      return nil
    }
    return sum
  }
}
