// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// A number for each flow: what `[Flow: Int32]` is, at a fraction of its cost, since every check asks several times.
///
/// Open addressing with linear probing, at most half full; a removal moves what follows up (Knuth 6.4, algorithm R). Its
/// hash is keyed: who names the targets can't make them collide.
struct FlowTable {
  private struct Entry {
    var flow = Flow(address: .v4(IPv4Address(rawValue: 0)), port: 0, localPort: 0)
    /// Negative for an empty place.
    var value: Int32 = -1
  }

  private static var smallest: Int { 64 }

  private var entries = [Entry](repeating: Entry(), count: FlowTable.smallest)
  private var mask = FlowTable.smallest - 1
  private let key: (UInt64, UInt64) = (.random(in: .min ... .max), .random(in: .min ... .max))
  private(set) var count = 0

  /// The number of a flow.
  func find(_ flow: Flow) -> Int? {
    let place = place(of: flow)
    return entries[place].value < 0 ? nil : Int(entries[place].value)
  }

  /// Gives a flow its number, which must not be negative. False, and nothing is changed, if it has one.
  mutating func insert(_ flow: Flow, _ value: Int) -> Bool {
    if (count + 1) * 2 > entries.count { grow() }
    let place = place(of: flow)
    guard entries[place].value < 0 else { return false }
    entries[place] = Entry(flow: flow, value: Int32(truncatingIfNeeded: value))
    count += 1
    return true
  }

  /// Takes a flow out. Returns the number that it had.
  @discardableResult
  mutating func remove(_ flow: Flow) -> Int? {
    var hole = place(of: flow)
    let value = entries[hole].value
    guard value >= 0 else { return nil }
    var place = hole
    while true {
      place = (place &+ 1) & mask
      guard entries[place].value >= 0 else { break }
      // An entry may fill the hole unless its search begins behind it.
      let distance = (place &- start(of: entries[place].flow)) & mask
      guard distance >= (place &- hole) & mask else { continue }
      entries[hole] = entries[place]
      hole = place
    }
    entries[hole].value = -1
    count -= 1
    return Int(value)
  }

  /// Where a flow is, or where it would be.
  private func place(of flow: Flow) -> Int {
    var place = start(of: flow)
    while entries[place].value >= 0, entries[place].flow != flow { place = (place &+ 1) & mask }
    return place
  }

  private func start(of flow: Flow) -> Int {
    let (high, low) = flow.address.words
    let ports = UInt64(flow.localPort) << 16 | UInt64(flow.port)
    let mixed = fold(high ^ key.0, low ^ key.1) ^ ports
    return Int(truncatingIfNeeded: fold(mixed ^ key.1, 0x9e37_79b9_7f4a_7c15)) & mask
  }

  private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    return high ^ low
  }

  private mutating func grow() {
    let old = entries
    entries = [Entry](repeating: Entry(), count: old.count * 2)
    mask = entries.count - 1
    for entry in old where entry.value >= 0 { entries[place(of: entry.flow)] = entry }
  }
}
