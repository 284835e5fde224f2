// SPDX-License-Identifier: Apache-2.0

/// Disjoint ascending address ranges of one address space, each with a port set, and the numbers of their targets.
///
/// The targets of a range are numbered address by address, and on each address by ascending port.
struct Segments<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
  private(set) var firsts: [Bound] = []
  private(set) var lasts: [Bound] = []
  /// The number of a range's first target.
  private(set) var bases: [UInt64] = []
  /// The number of a range's port set in the table.
  private(set) var ports: [UInt32] = []
  /// How many targets there are.
  private(set) var count: UInt64 = 0

  var ranges: [ClosedRange<Bound>] { zip(firsts, lasts).map { $0...$1 } }

  /// - Parameter range: above all before it.
  mutating func append(_ range: ClosedRange<Bound>, ports number: UInt32, portCount: Int) throws(CheckError) {
    guard let hosts = range.size, case (let targets, false) = hosts.multipliedReportingOverflow(by: UInt64(portCount)),
      case (let total, false) = count.addingReportingOverflow(targets)
    else { throw .tooManyTargets }
    if let last = lasts.last, last < range.lowerBound, last + 1 == range.lowerBound, ports.last == number {
      lasts[lasts.count - 1] = range.upperBound
    } else {
      firsts.append(range.lowerBound)
      lasts.append(range.upperBound)
      bases.append(count)
      ports.append(number)
    }
    count = total
  }

  /// The address and port of target `index`, which has to be below `count`.
  @inline(__always)
  func target(at index: UInt64, on shelf: borrowing PortShelf) -> (address: Bound, port: UInt16) {
    let segment = partition(bases.count) { bases[$0] > index } - 1
    let set = Int(ports[segment])
    let (place, portCount) = (index - bases[segment], shelf.count(set))
    // Sweeps of one port are many, and a division takes as long as all else.
    if portCount == 1 { return (firsts[segment] + Bound(truncatingIfNeeded: place), shelf.onlyPort(in: set)) }
    let (host, rank) = place.quotientAndRemainder(dividingBy: portCount)
    return (firsts[segment] + Bound(truncatingIfNeeded: host), shelf.port(at: Int(rank), in: set))
  }

  /// How many targets lie at addresses of `range`.
  func count(in range: ClosedRange<Bound>) -> UInt64 {
    let through = range.upperBound == .max ? count : count(below: range.upperBound + 1)
    return through - count(below: range.lowerBound)
  }

  private func count(below address: Bound) -> UInt64 {
    let segment = partition(firsts.count) { firsts[$0] >= address } - 1
    guard segment >= 0 else { return 0 }
    guard address <= lasts[segment] else { return segment + 1 < bases.count ? bases[segment + 1] : count }
    let hosts = UInt64(lasts[segment] - firsts[segment]) + 1
    let targets = (segment + 1 < bases.count ? bases[segment + 1] : count) - bases[segment]
    return bases[segment] + UInt64(address - firsts[segment]) * (targets / hosts)
  }

  /// The number of a target, nil for what is none.
  @inline(__always)
  func index(of address: Bound, port: UInt16, on shelf: borrowing PortShelf) -> UInt64? {
    let segment = partition(firsts.count) { firsts[$0] > address } - 1
    guard segment >= 0, address <= lasts[segment] else { return nil }
    let set = Int(ports[segment])
    guard let rank = shelf.rank(of: port, in: set) else { return nil }
    let host = UInt64(truncatingIfNeeded: address - firsts[segment])
    return bases[segment] + host * shelf.count(set) + UInt64(rank)
  }
}

extension CheckError {
  static var tooManyTargets: CheckError {
    .invalid("job: it has 2^64 targets or more", advice: "narrow the addresses or the ports, or split it")
  }
}
