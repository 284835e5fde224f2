// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// The way to every target of a set, settled once and found by a binary search.
///
/// Neighbouring addresses with the same way are one piece, gaps between targets included; a default route makes one piece
/// of the whole Internet. There are never more than two pieces for each route around the targets and one for each of
/// their ranges: 8 bytes each (IPv4) or 20 (IPv6). A full table of a million routes makes at most 16 MB.
///
/// A route with several next hops counts as the one that the kernel names for the first address of a piece. A raw
/// socket's packets may take the others, so `interfaces` has theirs as well.
struct RouteMap: Sendable {
  /// One way that some of the targets are reached.
  struct Path: Hashable, Sendable {
    var reach: Reach
    var interfaceName: String
    var isLoopback: Bool
    /// Our hardware address on the interface, where it has Ethernet's.
    var hardwareAddress: MACAddress?

    /// Our address.
    var source: IPAddress { reach.source }
    /// The way out.
    var interface: UInt32 { reach.interface }
    /// The kernel takes `source` for its own.
    var sourceIsLocal: Bool { reach.sourceIsLocal }
    /// Whose hardware address a frame to `target` needs; nil where no frame can be sent or none is needed.
    func nextHop(of target: IPAddress) -> IPAddress? {
      switch reach.nextHop {
      case .nobody: nil
      case .destination: target
      case .gateway(let gateway): gateway
      }
    }
  }

  /// Targets that can't be reached.
  struct Fault: Hashable, Sendable {
    /// From the first of them to the last.
    var range: AddressRange
    /// The place in the target set's zones, from one; 0 for none.
    var zone: Int
    /// How many.
    var targets: UInt64
    /// Why, of the first.
    var error: CheckError
  }

  /// The most faults that are told apart; those after that count into the last one.
  static let mostFaults = 1024

  private(set) var all: [Path] = []
  private(set) var faults: [Fault] = []
  /// The place in the target set's zones, by interface.
  private(set) var zones: [UInt32: Int] = [:]
  private var v4 = Ways<UInt32>()
  private var v6: [Ways<UInt128>] = []
  /// Interfaces that packets may leave by though no path says so: those of a route with several next hops.
  private var others: [UInt32: String] = [:]

  /// Settles the way to each target, by asking `world` once for each piece of the address space, or less.
  /// - Parameters:
  ///   - v4: IPv4 prefixes that may make a difference.
  ///   - v6: IPv6 prefixes likewise.
  ///   - ask: the way to an address of a zone.
  init(
    targets: TargetSet, v4: [RoutePrefix<UInt32>], v6: [RoutePrefix<UInt128>], others: [UInt32: String] = [:],
    ask: (_ address: IPAddress, _ zone: Int) -> Result<Path, CheckError>
  ) {
    var ledger = Ledger(targets: targets)
    self.v4 = Ways(targets.v4Ranges, prefixes: v4, zone: 0, ledger: &ledger, ask)
    for (zone, ranges) in targets.v6Ranges.enumerated() {
      self.v6.append(Ways(ranges, prefixes: v6, zone: zone, ledger: &ledger, ask))
    }
    (all, faults, zones, self.others) = (ledger.paths, ledger.faults, ledger.zones, others)
  }

  subscript(index: Int) -> Path { all[index] }

  /// The place in `all` of a target's path, nil for a target that can't be reached. Of what is no target it may be any.
  @inline(__always)
  func path(to element: TargetSet.Element) -> Int? {
    switch element.address {
    case .v4(let address): v4.path(to: address.rawValue)
    case .v6(let address): v6[element.zone].path(to: address.number)
    }
  }

  /// What `sockaddr_in6` has to say of the zone of a target, whose path is known: the interface of a scoped or link-local
  /// one, else 0.
  @inline(__always)
  func scope(of element: TargetSet.Element, on path: Int) -> UInt32 {
    guard case .v6(let address) = element.address, element.zone > 0 || address.isLinkLocal else { return 0 }
    return all[path].interface
  }

  /// Those that packets leave by, each once.
  var interfaces: [UInt32] { Set(all.map(\.interface)).union(others.keys).sorted() }

  /// Our addresses on the packets that leave by an interface.
  func sources(of interface: UInt32) -> Set<IPAddress> {
    Set((others[interface] == nil ? all.filter { $0.interface == interface } : all).map(\.source))
  }

  func name(of interface: UInt32) -> String {
    all.first { $0.interface == interface }?.interfaceName ?? others[interface] ?? "\(interface)"
  }

  func isLoopback(_ interface: UInt32) -> Bool { all.contains { $0.interface == interface && $0.isLoopback } }

  func isLocal(_ source: IPAddress) -> Bool { all.first { $0.source == source }?.sourceIsLocal ?? false }
}

/// The pieces of one address space: where each begins, and which path it has.
private struct Ways<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
  private var firsts: [Bound] = []
  /// Negative for none.
  private var paths: [Int32] = []

  init() {}

  init(
    _ targets: [ClosedRange<Bound>], prefixes: [RoutePrefix<Bound>], zone: Int, ledger: inout Ledger,
    _ ask: (IPAddress, Int) -> Result<RouteMap.Path, CheckError>
  ) {
    var known: [Int: Int32] = [:]
    RoutePieces.cut(targets, at: prefixes) { piece, situation in
      let range = AddressRange(piece)
      let path = known[situation] ?? ledger.note(ask(range.first, zone), zone: zone)
      known[situation] = path
      if path < 0 { ledger.fault(path, range, zone: zone, ask) } else { ledger.endFault() }
      guard paths.last != path else { return }
      firsts.append(piece.lowerBound)
      paths.append(path)
    }
  }

  @inline(__always)
  func path(to address: Bound) -> Int? {
    let piece = firsts.count == 1 ? 0 : partition(firsts.count) { firsts[$0] > address } - 1
    guard piece >= 0, piece < paths.count, paths[piece] >= 0 else { return nil }
    return Int(paths[piece])
  }
}

/// The paths and faults found so far, each kind with a number: from 0 for paths, from -1 downwards for faults.
private struct Ledger {
  private struct Kind: Hashable {
    var code: CheckError.Code
    var errno: Errno?
  }

  let targets: TargetSet
  private(set) var paths: [RouteMap.Path] = []
  private(set) var faults: [RouteMap.Fault] = []
  private(set) var zones: [UInt32: Int] = [:]
  private var numbers: [RouteMap.Path: Int32] = [:]
  private var kinds: [Kind: Int32] = [:]
  private var lastFault: (number: Int32, zone: Int, family: IPFamily)?

  init(targets: TargetSet) { self.targets = targets }

  mutating func note(_ answer: Result<RouteMap.Path, CheckError>, zone: Int) -> Int32 {
    switch answer {
    case .success(let path):
      if zone > 0 { zones[path.interface] = zone }
      if let known = numbers[path] { return known }
      numbers[path] = Int32(paths.count)
      paths.append(path)
      return Int32(paths.count - 1)
    case .failure(let error):
      let kind = Kind(code: error.code, errno: error.errno)
      let number = kinds[kind] ?? -Int32(kinds.count) - 1
      kinds[kind] = number
      return number
    }
  }

  /// What comes next has a path.
  mutating func endFault() { lastFault = nil }

  /// A piece has no path: tells it with the fault before it if that is of the same kind.
  mutating func fault(
    _ number: Int32, _ range: AddressRange, zone: Int,
    _ ask: (IPAddress, Int) -> Result<RouteMap.Path, CheckError>
  ) {
    let count = targets.count(in: range, zone: zone)
    let here = (number: number, zone: zone, family: range.first.family)
    if faults.count == RouteMap.mostFaults || lastFault.map({ $0 == here }) == true,
      let joined = AddressRange(from: faults[faults.count - 1].range.first, through: range.last)
    {
      faults[faults.count - 1].range = joined
      faults[faults.count - 1].targets += count
      return
    }
    lastFault = here
    // Asked for its own sake: the words name the address.
    guard case .failure(let error) = ask(range.first, zone) else { return }
    faults.append(RouteMap.Fault(range: range, zone: zone, targets: count, error: error))
  }
}

extension AddressRange {
  init<Bound: FixedWidthInteger>(_ range: ClosedRange<Bound>) {
    let (first, last) = (UInt128(truncatingIfNeeded: range.lowerBound), UInt128(truncatingIfNeeded: range.upperBound))
    self =
      Bound.bitWidth == 32
      ? .v4(UInt32(truncatingIfNeeded: first)...UInt32(truncatingIfNeeded: last)) : .v6(first...last)
  }
}
