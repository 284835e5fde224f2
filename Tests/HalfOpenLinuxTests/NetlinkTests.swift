// SPDX-License-Identifier: Apache-2.0

import CLinux
import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import TestSupport
import Testing

@Suite(.requiresNetworkNamespace) struct NetlinkTests {
  @Test func linksTellNameTypeFlagsAddressAndMTU() async throws {
    let links = try await withPrivateNetwork([
      "link add va address 02:00:00:00:00:0a mtu 1400 type veth peer name vb", "link set va up",
    ]) { _ in
      var netlink = try Netlink()
      return try netlink.links()
    }
    let lo = try #require(links.first { $0.name == "lo" })
    #expect(lo.isLoopback && lo.isUp && lo.type == .loopback && lo.index == 1 && lo.mtu == 65536)
    let va = try #require(links.first { $0.name == "va" })
    #expect(va.isUp && !va.isLoopback && va.type == .ethernet && va.mtu == 1400)
    #expect(va.macAddress?.description == "02:00:00:00:00:0a")
    let vb = try #require(links.first { $0.name == "vb" })
    #expect(!vb.isUp)
  }

  @Test func tunLinksHaveNoHardwareAddress() async throws {
    let links = try await withPrivateNetwork(["tuntap add tun0 mode tun"]) { _ in
      var netlink = try Netlink()
      return try netlink.links()
    }
    let tun = try #require(links.first { $0.name == "tun0" })
    #expect(tun.type == .none && tun.hardwareAddress.isEmpty && tun.macAddress == nil)
    #expect(tun.flags.isSuperset(of: [.pointToPoint, .noARP]))
  }

  @Test func addressesOfBothFamiliesNameOurEnd() async throws {
    let addresses = try await withPrivateNetwork(
      dummy + ["addr add 192.0.2.9 peer 192.0.2.77/32 dev d0"]
    ) { _ in
      var netlink = try Netlink()
      return try netlink.addresses()
    }
    let found = Set(addresses.map { "\($0.address)/\($0.prefixLength)" })
    #expect(found.isSuperset(of: ["127.0.0.1/8", "::1/128", "192.0.2.1/24", "2001:db8::1/64", "192.0.2.9/32"]))
  }

  @Test func routesHoldLocalDefaultMultipathAndRefusals() async throws {
    let (v4, v6) = try await withPrivateNetwork(
      dummy + [
        "link add d1 type veth peer name p1", "link set p1 up", "link set d1 up", "addr add 198.51.100.1/24 dev d1",
        "route add default via 192.0.2.254 metric 7", "route add unreachable 203.0.113.0/24",
        "route add 10.9.0.0/16 nexthop via 192.0.2.2 dev d0 nexthop via 198.51.100.2 dev d1",
        "route add 10.8.0.0/16 via inet6 2001:db8::2 dev d0 mtu 1300", "route add 10.7.0.0/16 dev d0 table 1000",
        "route add 2001:db8:9::/48 via 2001:db8::2",
      ]
    ) { _ in
      var netlink = try Netlink()
      return (try netlink.routes(.v4), try netlink.routes(.v6))
    }
    func route(_ routes: [Route], _ text: String) throws -> Route {
      try #require(
        routes.first { "\($0.destination.map(\.description) ?? "default")/\($0.prefixLength)" == text }, "\(text)")
    }
    let local = try route(v4, "127.0.0.0/8")
    #expect(local.type == .local && local.table == Route.localTable)
    #expect(try route(v4, "192.0.2.1/32").type == .local)
    let way = try route(v4, "default/0")
    #expect(way.nextHops.map(\.gateway) == [IPAddress("192.0.2.254")] && way.metric == 7)
    #expect(try route(v4, "203.0.113.0/24").type == .unreachable)
    let both = try route(v4, "10.9.0.0/16").nextHops
    #expect(both.map(\.gateway) == [IPAddress("192.0.2.2"), IPAddress("198.51.100.2")])
    #expect(Set(both.map(\.interfaceIndex)).count == 2 && !both.contains { $0.interfaceIndex == 0 })
    let mixed = try route(v4, "10.8.0.0/16")
    #expect(mixed.nextHops.map(\.gateway) == [IPAddress("2001:db8::2")] && mixed.mtu == 1300)
    #expect(try route(v4, "10.7.0.0/16").table == 1000)
    #expect(try route(v6, "2001:db8::1/128").type == .local)
    #expect(try route(v6, "2001:db8:9::/48").nextHops.map(\.gateway) == [IPAddress("2001:db8::2")])
  }

  @Test func aRouteDumpOfManyPartsIsWhole() async throws {
    let count = try await withPrivateNetwork(dummy) { network in
      // 3000 routes are about 180 KiB: several datagrams.
      var batch = ""
      for number in 0..<3000 { batch += "route add 10.\(number / 250).\(number % 250).0/24 via 192.0.2.254\n" }
      try network.ip("-batch -", input: batch)
      var netlink = try Netlink()
      return try netlink.routes(.v4).count { $0.prefixLength == 24 && $0.nextHops.first?.gateway != nil }
    }
    #expect(count == 3000)
  }

  @Test func lookupTellsInterfaceSourceAndNextHop() async throws {
    try await withPrivateNetwork(
      dummy + ["route add default via 192.0.2.254 mtu 1280", "route add default via 2001:db8::fe"]
    ) { _ in
      var netlink = try Netlink()
      let index = try #require(try netlink.links().first { $0.name == "d0" }).index

      let near = try netlink.route(RouteQuery(to: ip("192.0.2.7")))
      #expect(near.interfaceIndex == index && near.source == ip("192.0.2.1") && near.gateway == nil && !near.isLocal)
      let far = try netlink.route(RouteQuery(to: ip("198.51.100.7")))
      #expect(far.gateway == ip("192.0.2.254") && far.source == ip("192.0.2.1") && far.mtu == 1280)
      let far6 = try netlink.route(RouteQuery(to: ip("2001:db8:1::7")))
      #expect(far6.gateway == ip("2001:db8::fe") && far6.source == ip("2001:db8::1") && far6.interfaceIndex == index)
      let own = try netlink.route(RouteQuery(to: ip("192.0.2.1")))
      #expect(own.isLocal && own.interfaceIndex == 1 && own.source == ip("192.0.2.1"))
      let own6 = try netlink.route(RouteQuery(to: ip("::1")))
      #expect(own6.isLocal && own6.interfaceIndex == 1 && own6.source == ip("::1"))
      let asked = try netlink.route(
        RouteQuery(to: ip("198.51.100.7"), from: ip("192.0.2.1"), interfaceIndex: index))
      #expect(asked.source == ip("192.0.2.1") && asked.interfaceIndex == index)
      let link = try netlink.route(RouteQuery(to: ip("fe80::7"), interfaceIndex: index))
      #expect(link.interfaceIndex == index && link.source?.isLinkLocal == true)
    }
  }

  @Test func lookupFollowsTheMark() async throws {
    let gateways = try await withPrivateNetwork(
      dummy + [
        "route add default via 192.0.2.254", "route add default via 192.0.2.253 table 7",
        "rule add fwmark 0x5 lookup 7",
      ]
    ) { _ in
      var netlink = try Netlink()
      return try [0, 5].map { try netlink.route(RouteQuery(to: ip("10.0.0.1"), mark: $0)).gateway }
    }
    #expect(gateways == [ip("192.0.2.254"), ip("192.0.2.253")])
  }

  @Test(arguments: [
    ("203.0.113.1", Errno.noRouteToHost), ("203.0.113.2", .permissionDenied), ("203.0.113.3", .invalidArgument),
    ("198.51.100.1", .networkUnreachable), ("2001:db8:1::1", .noRouteToHost), ("2001:db8:1::2", .permissionDenied),
    ("2001:db8:1::3", .invalidArgument), ("2001:db8:2::1", .networkUnreachable),
  ])
  func lookupRefusesWithTheReason(_ destination: String, _ expected: Errno) async throws {
    let found = try await withPrivateNetwork(
      dummy + [
        "route add unreachable 203.0.113.1", "route add prohibit 203.0.113.2", "route add blackhole 203.0.113.3",
        "route add unreachable 2001:db8:1::1", "route add prohibit 2001:db8:1::2",
        "route add blackhole 2001:db8:1::3",
      ]
    ) { _ in
      var netlink = try Netlink()
      do throws(SystemCallError) {
        _ = try netlink.route(RouteQuery(to: ip(destination)))
        return Errno?.none
      } catch {
        return error.errno
      }
    }
    #expect(found == expected)
  }

  @Test func neighboursTellStateAndHardwareAddress() async throws {
    try await withPrivateNetwork(
      dummy + [
        "neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev d0 nud permanent",
        "neigh add 2001:db8::5 lladdr 02:00:00:00:00:06 dev d0 nud stale",
      ]
    ) { _ in
      var netlink = try Netlink()
      let index = try #require(try netlink.links().first { $0.name == "d0" }).index
      let one = try #require(try netlink.neighbour(ip("192.0.2.5"), interfaceIndex: index))
      #expect(one.state == .permanent && one.state.isUsable && one.macAddress?.description == "02:00:00:00:00:05")
      #expect(try netlink.neighbours(.v4).contains(one))
      let six = try #require(try netlink.neighbour(ip("2001:db8::5"), interfaceIndex: index))
      #expect(six.state == .stale && six.interfaceIndex == index)
      #expect(try netlink.neighbours(.v6).contains(six))
      #expect(try netlink.neighbour(ip("192.0.2.6"), interfaceIndex: index) == nil)
      #expect(throws: SystemCallError.self) { try netlink.neighbour(ip("192.0.2.6"), interfaceIndex: 9999) }
    }
  }

  private let dummy = [
    "link add d0 type veth peer name p0", "link set p0 up", "link set d0 up", "addr add 192.0.2.1/24 dev d0",
    "addr add 2001:db8::1/64 dev d0 nodad", "addr add fe80::1/64 dev d0 nodad",
  ]
}

private func ip(_ text: String) -> IPAddress {
  guard let address = IPAddress(text) else { preconditionFailure(text) }
  return address
}
