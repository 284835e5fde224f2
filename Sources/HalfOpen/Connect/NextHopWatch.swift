// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Tells at deadlines whether it was the next hop that kept silent, at a bounded cost: the neighbours are read at most
/// every 100 ms, and routes are asked for only while some neighbour is silent.
struct NextHopWatch: ~Copyable {
  private struct Hop: Hashable {
    var address: IPAddress
    var interface: UInt32
  }

  private struct Snapshot {
    private static var validity: Int64 { 100_000_000 }
    private static var questions: Int { 256 }

    private var validUntil = Instant(nanoseconds: .min)
    private var silent: Set<Hop> = []
    private var known: [SocketAddress: Bool] = [:]

    mutating func isNextHopSilent(
      _ target: SocketAddress, _ query: RouteQuery, _ netlink: inout Netlink, now: Instant
    )
      -> Bool
    {
      if now >= validUntil { read(target.address.family, &netlink, now: now) }
      if silent.isEmpty { return false }
      var key = target
      key.port = 0
      if let answer = known[key] { return answer }
      guard known.count < Self.questions, let route = try? netlink.route(query) else { return false }
      let isSilent = silent.contains(Hop(address: route.gateway ?? target.address, interface: route.interfaceIndex))
      known[key] = isSilent
      return isSilent
    }

    private mutating func read(_ family: IPFamily, _ netlink: inout Netlink, now: Instant) {
      silent.removeAll(keepingCapacity: true)
      known.removeAll(keepingCapacity: true)
      for entry in (try? netlink.neighbours(family)) ?? []
      where !entry.state.isDisjoint(with: [.incomplete, .failed]) {
        silent.insert(Hop(address: entry.address, interface: entry.interfaceIndex))
      }
      validUntil = now.advanced(byNanoseconds: Self.validity)
    }
  }

  private var netlink: Netlink
  private let mark: UInt32
  private let source: IPAddress?
  private let interface: UInt32
  private var v4 = Snapshot()
  private var v6 = Snapshot()

  init(mark: UInt32?, source: IPAddress?, interface: UInt32) throws(SystemCallError) {
    netlink = try Netlink()
    self.mark = mark ?? 0
    self.source = source
    self.interface = interface
  }

  mutating func isNextHopSilent(_ target: SocketAddress, now: Instant) -> Bool {
    if target.address.isLoopback { return false }
    let query = RouteQuery(
      to: target.address, from: source, interfaceIndex: target.scope != 0 ? target.scope : interface, mark: mark)
    return target.address.family == .v4
      ? v4.isNextHopSilent(target, query, &netlink, now: now) : v6.isNextHopSilent(target, query, &netlink, now: now)
  }
}
