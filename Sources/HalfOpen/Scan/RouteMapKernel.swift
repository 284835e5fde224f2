// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

extension RouteMap {
  /// Asks the kernel of the calling thread's namespace: for its tables and rules once, then for one address of each kind
  /// of piece.
  ///
  /// Of a table only routes around the targets are kept, 12 bytes each (IPv4) or 36 (IPv6) and for this time only.
  /// - Throws: where no question can be asked. What can't be reached is in `faults`.
  init(targets: TargetSet, configuration: SweepConfiguration) throws(CheckError) {
    var resolver = try RouteResolver(
      interface: configuration.interface, source: configuration.source, mark: configuration.mark)
    var wires: [Result<UInt32, CheckError>] = [.success(try resolver.wayOut(zone: nil))]
    for zone in targets.zones {
      do throws(CheckError) { wires.append(.success(try resolver.wayOut(zone: zone))) } catch {
        wires.append(.failure(error))
      }
    }
    for (number, wire) in wires.enumerated().dropFirst(2) {
      guard
        let same = wires[1..<number].firstIndex(where: {
          (try? $0.get()) == (try? wire.get()) && (try? wire.get()) != nil
        })
      else { continue }
      throw .invalid(
        "targets: \(targets.zones[same - 1]) and \(targets.zones[number - 1]) are one interface", advice: "use one name"
      )
    }
    var world = RoutingWorld()
    do throws(SystemCallError) {
      if !targets.v4Ranges.isEmpty {
        try world.read(.v4, IntervalSet(targets.v4Ranges), &resolver.netlink, choosesSource: false)
      }
      let v6 = IntervalSet(targets.v6Ranges.joined())
      if !v6.isEmpty {
        try world.read(.v6, v6, &resolver.netlink, choosesSource: configuration.source?.family != .v6)
      }
    } catch {
      throw CheckError(error, subject: "asking the kernel for its routes")
    }
    var others: [UInt32: String] = [:]
    for index in world.others { others[index] = resolver.link(index)?.name ?? "\(index)" }
    self.init(targets: targets, v4: world.v4, v6: world.v6, others: others) { address, zone in
      do throws(CheckError) {
        let reach = try resolver.reach(address, wayOut: try wires[zone].get())
        let link = resolver.link(reach.interface)
        return .success(
          Path(
            reach: reach, interfaceName: link?.name ?? "\(reach.interface)", isLoopback: link?.isLoopback ?? false,
            hardwareAddress: link?.type == .ethernet ? link?.macAddress : nil))
      } catch {
        return .failure(error)
      }
    }
  }
}

/// What the kernel's choice of a way depends on, as far as it concerns the targets.
private struct RoutingWorld {
  private enum Meaning: Hashable {
    /// Without its prefix.
    case route(Route)
    /// By its priority.
    case rule(UInt32)
    /// What the choice of an IPv6 source looks at.
    case sourceChoice(AddressRange)
  }

  private(set) var v4: [RoutePrefix<UInt32>] = []
  private(set) var v6: [RoutePrefix<UInt128>] = []
  /// Interfaces of routes with several next hops.
  private(set) var others: Set<UInt32> = []
  private var meanings: [Meaning: Int32] = [:]

  mutating func read<Bound>(
    _ family: IPFamily, _ targets: IntervalSet<Bound>, _ netlink: inout Netlink, choosesSource: Bool
  ) throws(SystemCallError) {
    let anywhere: IPAddress = family == .v4 ? .v4(.unspecified) : .v6(.unspecified)
    var found: [RoutePrefix<Bound>] = []
    func add(_ range: AddressRange?, _ meaning: Meaning) -> Bool {
      guard let range = range.flatMap({ ClosedRange<Bound>($0) }), targets.meets(range) else { return false }
      let number = meanings[meaning] ?? Int32(meanings.count)
      meanings[meaning] = number
      found.append(RoutePrefix(range: range, meaning: number))
      return true
    }
    let _: [Never] = try netlink.routes(family) { route in
      var meaning = route
      (meaning.destination, meaning.prefixLength) = (nil, 0)
      let range = AddressRange(route.destination ?? anywhere, prefixLength: Int(route.prefixLength))
      if add(range, .route(meaning)), route.nextHops.count > 1 {
        others.formUnion(route.nextHops.map(\.interfaceIndex))
      }
      return nil
    }
    for rule in try netlink.rules(family) {
      guard let destination = rule.destination else { continue }
      _ = add(AddressRange(destination, prefixLength: Int(rule.prefixLength)), .rule(rule.priority))
    }
    if choosesSource {
      for range in try Self.sourceChoices(&netlink) { _ = add(range, .sourceChoice(range)) }
    }
    if let found = found as? [RoutePrefix<UInt32>] { v4 = found }
    if let found = found as? [RoutePrefix<UInt128>] { v6 = found }
  }

  /// Where the source for an IPv6 destination may change: with the destination's label and scope, and with the length
  /// that it shares with an own address (RFC 6724 section 5, rules 2, 6 and 8; labels as in net/ipv6/addrlabel.c).
  private static func sourceChoices(_ netlink: inout Netlink) throws(SystemCallError) -> Set<AddressRange> {
    let labels = [
      ("::", 96), ("::ffff:0:0", 96), ("2001::", 32), ("2001:10::", 28), ("2002::", 16), ("3ffe::", 16), ("fc00::", 7),
      ("fe80::", 10), ("fec0::", 10),
    ]
    var ranges = Set(
      labels.compactMap { text, length in
        IPAddress(text).flatMap { AddressRange($0, prefixLength: length) }
      })
    let globalScope: UInt8 = 0
    for own in try netlink.addresses() where own.address.family == .v6 && own.scope == globalScope {
      for length in 1...max(1, Int(own.prefixLength)) {
        if let range = AddressRange(own.address, prefixLength: length) { ranges.insert(range) }
      }
    }
    return ranges
  }
}

extension ClosedRange where Bound: FixedWidthInteger {
  /// Nil for a range of the other family.
  fileprivate init?(_ range: AddressRange) {
    switch range {
    case .v4(let range) where Bound.bitWidth == 32:
      self = Bound(truncatingIfNeeded: range.lowerBound)...Bound(truncatingIfNeeded: range.upperBound)
    case .v6(let range) where Bound.bitWidth == 128:
      self = Bound(truncatingIfNeeded: range.lowerBound)...Bound(truncatingIfNeeded: range.upperBound)
    default: return nil
    }
  }
}

extension IntervalSet {
  /// Some number of the range is in the set.
  fileprivate func meets(_ range: ClosedRange<Bound>) -> Bool {
    let index = partition(ranges.count) { ranges[$0].lowerBound > range.upperBound }
    return index > 0 && range.lowerBound <= ranges[index - 1].upperBound
  }
}
