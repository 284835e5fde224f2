// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import Testing

/// Bytes as a little-endian kernel sends them.
@Suite struct NetlinkFormatTests {
  @Test func linkFromGoldenBytes() throws {
    let link = try Golden.asLink(Golden.link)
    #expect(link.index == 2 && link.name == "eth0" && link.type == .ethernet && link.mtu == 1500)
    #expect(link.flags == [.up, .running, LinkFlags(rawValue: 0x11002)])
    #expect(link.macAddress?.description == "02:00:00:00:00:01")
  }

  @Test func routeFromGoldenBytes() throws {
    let route = try #require(try Golden.asRoute(Golden.route))
    #expect(route.destination == IPAddress("10.1.0.0") && route.prefixLength == 16 && route.table == 1000)
    #expect(route.type == .unicast && route.metric == 100 && route.mtu == 1300)
    #expect(route.preferredSource == IPAddress("192.0.2.9"))
    #expect(route.nextHops == [NextHop(interfaceIndex: 2, gateway: IPAddress("192.0.2.1"))])
  }

  @Test func multipathRouteFromGoldenBytes() throws {
    let route = try #require(try Golden.asRoute(Golden.multipath))
    #expect(route.destination == nil && route.family == .v6)
    #expect(
      route.nextHops == [
        NextHop(interfaceIndex: 2, gateway: IPAddress("2001:db8::1")), NextHop(interfaceIndex: 3, gateway: nil),
      ])
  }

  @Test func neighbourFromGoldenBytes() throws {
    let neighbour = try #require(try Golden.asNeighbour(Golden.neighbour))
    #expect(neighbour.interfaceIndex == 2 && neighbour.address == IPAddress("192.0.2.1"))
    #expect(neighbour.state == .failed && !neighbour.state.isUsable && neighbour.hardwareAddress.isEmpty)
  }

  @Test func addressFromGoldenBytes() throws {
    let address = try #require(try Golden.asAddress(Golden.address))
    #expect(address.address == IPAddress("192.0.2.9") && address.prefixLength == 32 && address.interfaceIndex == 2)
  }

  @Test func requestsAreWhatTheKernelExpects() throws {
    var request = NetlinkRequest.route(RouteQuery(to: try #require(IPAddress("192.0.2.1")), mark: 5))
    request.address(sequence: 7, port: 0x01020304)
    #expect(
      request.bytes == [
        44, 0, 0, 0, 26, 0, 0x01, 0, 7, 0, 0, 0, 4, 3, 2, 1,  // length, RTM_GETROUTE, NLM_F_REQUEST, sequence, port
        2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // struct rtmsg: AF_INET, /32
        8, 0, 1, 0, 192, 0, 2, 1,  // RTA_DST
        8, 0, 16, 0, 5, 0, 0, 0,  // RTA_MARK
      ])
    #expect(!request.isDump && NetlinkRequest.links.isDump)
    #expect(NetlinkRequest.routes(.v6).bytes.prefix(17).suffix(1) == [10])
  }

  @Test func zeroLengthAttributeIsAnErrorNotALoop() {
    var bytes = Golden.link
    bytes.replaceSubrange(16..<18, with: [0, 0])
    #expect(throws: NetlinkFormatError(.badLength, at: 16)) { try Golden.asLink(bytes) }
  }

  @Test func attributeBeyondTheEndIsTruncated() {
    var bytes = Golden.link
    bytes[16] = 200
    #expect(throws: NetlinkFormatError(.truncated, at: 16)) { try Golden.asLink(bytes) }
  }

  @Test(arguments: [
    (UInt8(0), NetlinkFormatError.Code.badLength), (15, .badLength), (200, .truncated),
  ])
  func badMessageLengths(_ length: UInt8, _ expected: NetlinkFormatError.Code) {
    let bytes: [UInt8] = [length, 0, 0, 0] + [UInt8](repeating: 0, count: 28)
    #expect(throws: NetlinkFormatError(expected, at: 0)) { try Golden.messages(bytes) }
  }

  @Test func addressOfTheWrongSizeIsAnError() {
    var bytes = Golden.neighbour
    bytes[0] = 10
    #expect(throws: NetlinkFormatError(.badAddress, at: 0)) { try Golden.asNeighbour(bytes) }
  }

  @Test(arguments: Golden.all.indices) func everyTruncationIsAnErrorOrLess(_ index: Int) {
    let bytes = Golden.all[index]
    for length in 0..<bytes.count { Golden.parse(Array(bytes.prefix(length))) }
    for length in 0..<4 {
      #expect(throws: NetlinkFormatError.self) { try Golden.asLink(Array(bytes.prefix(length))) }
      #expect(throws: NetlinkFormatError.self) { try Golden.asRoute(Array(bytes.prefix(length))) }
    }
  }

  @Test(arguments: Golden.all.indices) func noFlippedBitTraps(_ index: Int) {
    for bit in 0..<Golden.all[index].count * 8 {
      var bytes = Golden.all[index]
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      Golden.parse(bytes)
    }
  }

  @Test func randomBytesNeverTrap() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0..<96, using: &generator) {
        // Small numbers make plausible lengths and types.
        bytes.append(Bool.random(using: &generator) ? .random(in: 0...24, using: &generator) : 0)
      }
      Golden.parse(bytes)
    }
  }
}

private enum Golden {
  static let link: [UInt8] = [
    0, 0, 1, 0, 2, 0, 0, 0, 0x43, 0x10, 0x01, 0, 0, 0, 0, 0,  // ifinfomsg: ARPHRD_ETHER, index 2, flags, change
    9, 0, 3, 0, 0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0,  // IFLA_IFNAME "eth0", padded
    10, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 0,  // IFLA_ADDRESS, padded
    8, 0, 4, 0, 0xdc, 5, 0, 0,  // IFLA_MTU 1500
  ]
  static let route: [UInt8] = [
    2, 16, 0, 0, 252, 3, 0, 1, 0, 0, 0, 0,  // rtmsg: AF_INET, /16, RT_TABLE_COMPAT, boot, universe, unicast
    8, 0, 15, 0, 0xe8, 3, 0, 0,  // RTA_TABLE 1000
    8, 0, 1, 0, 10, 1, 0, 0,  // RTA_DST
    8, 0, 6, 0, 100, 0, 0, 0,  // RTA_PRIORITY
    12, 0, 8, 0, 8, 0, 2, 0, 0x14, 5, 0, 0,  // RTA_METRICS with RTAX_MTU 1300
    8, 0, 7, 0, 192, 0, 2, 9,  // RTA_PREFSRC
    8, 0, 5, 0, 192, 0, 2, 1,  // RTA_GATEWAY
    8, 0, 4, 0, 2, 0, 0, 0,  // RTA_OIF
  ]
  static let multipath: [UInt8] =
    [
      10, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,  // rtmsg: AF_INET6, /0, main table
      40, 0, 9, 0,  // RTA_MULTIPATH
      28, 0, 0, 0, 2, 0, 0, 0, 20, 0, 5, 0,  // rtnexthop of 28 bytes, interface 2, RTA_GATEWAY
      0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,  // 2001:db8::1
      8, 0, 0, 0, 3, 0, 0, 0,  // rtnexthop without a gateway, interface 3
    ]
  static let neighbour: [UInt8] = [
    2, 0, 0, 0, 2, 0, 0, 0, 0x20, 0, 0, 1,  // ndmsg: AF_INET, index 2, NUD_FAILED, RTN_UNICAST
    8, 0, 1, 0, 192, 0, 2, 1,  // NDA_DST
  ]
  static let address: [UInt8] = [
    2, 32, 0x80, 0, 2, 0, 0, 0,  // ifaddrmsg: AF_INET, /32, permanent, universe, index 2
    8, 0, 1, 0, 192, 0, 2, 77,  // IFA_ADDRESS: the far end
    8, 0, 2, 0, 192, 0, 2, 9,  // IFA_LOCAL: ours
  ]
  static let all = [link, route, multipath, neighbour, address]

  static func asLink(_ bytes: [UInt8]) throws(NetlinkFormatError) -> Link { try Link(netlink: bytes.span) }
  static func asRoute(_ bytes: [UInt8]) throws(NetlinkFormatError) -> Route? { try Route(netlink: bytes.span) }
  static func asNeighbour(_ bytes: [UInt8]) throws(NetlinkFormatError) -> Neighbour? {
    try Neighbour(netlink: bytes.span)
  }
  static func asAddress(_ bytes: [UInt8]) throws(NetlinkFormatError) -> InterfaceAddress? {
    try InterfaceAddress(netlink: bytes.span)
  }
  static func messages(_ bytes: [UInt8]) throws(NetlinkFormatError) {
    try bytes.span.forEachNetlinkMessage { (_, _) throws(NetlinkFormatError) in }
  }

  /// Feeds every parser; an error is an answer, a trap is not.
  static func parse(_ bytes: [UInt8]) {
    _ = try? Link(netlink: bytes.span)
    _ = try? Route(netlink: bytes.span)
    _ = try? Neighbour(netlink: bytes.span)
    _ = try? PolicyRule(netlink: bytes.span)
    _ = try? InterfaceAddress(netlink: bytes.span)
    try? messages(bytes)
    var answer = Answer<Link>(sequence: 0, port: 0, kind: 0, isDump: true)
    answer.take(bytes.span) { (payload) throws(NetlinkFormatError) in try Link(netlink: payload) }
  }
}
