// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import TestSupport
import Testing

@Suite(.requiresNetworkNamespace) struct RawSocketTests {
  @Test(arguments: ["127.0.0.1", "::1"]) func aBatchArrivesWholeAndInOrder(_ text: String) async throws {
    let destination = try #require(IPAddress(text))
    try await withPrivateNetwork { _ in
      let socket = try RawSocket(destination.family)
      let tap = try Tap(destination.family)
      var batch = TransmitBatch(capacity: 8, packetCapacity: 64)
      for round in 0..<3 as Range<UInt8> {
        for number in 0..<8 as Range<UInt8> { batch.add(to: destination, marker: round * 8 + number) }
        let isFull = batch.isFull
        #expect(isFull)
        let sent = batch.flush(on: socket) { tag, errno in Issue.record("\(tag): \(errno)") }
        let isEmpty = batch.isEmpty
        #expect(sent == 8 && isEmpty)
      }
      #expect(try tap.markers(24) == Array(0..<24))
    }
  }

  @Test func aPacketThatFailsIsNamedAndTheOthersLeave() async throws {
    // 203.0.113.1 is prohibited, 203.0.113.2 unreachable; the rest has no route at all.
    try await withPrivateNetwork(["route add prohibit 203.0.113.1", "route add unreachable 203.0.113.2"]) { _ in
      let socket = try RawSocket(.v4)
      let tap = try Tap(.v4)
      var batch = TransmitBatch()
      let destinations = ["127.0.0.1", "203.0.113.1", "127.0.0.1", "203.0.113.2", "198.51.100.1", "127.0.0.1"]
      for (index, text) in destinations.enumerated() {
        batch.add(to: try #require(IPAddress(text)), marker: UInt8(index))
      }
      var failures: [UInt64: Errno] = [:]
      let sent = batch.flush(on: socket) { failures[$0] = $1 }
      #expect(sent == 3)
      #expect(failures == [101: .permissionDenied, 103: .noRouteToHost, 104: .networkUnreachable])
      #expect(try tap.markers(3) == [0, 2, 5])
    }
  }

  @Test func aFirewallThatDropsIsAnErrorOfThatPacket() async throws {
    try await withPrivateNetwork { network in
      try network.run(
        "nft -f -", input: "table ip t { chain c { type filter hook output priority 0; ip ttl 9 drop; }; }\n")
      let socket = try RawSocket(.v4)
      var batch = TransmitBatch()
      for index in 0..<3 as Range<UInt8> {
        batch.add(to: .v4(.loopback), marker: index, hopLimit: index == 1 ? 9 : 64)
      }
      var failures: [UInt64: Errno] = [:]
      let sent = batch.flush(on: socket) { failures[$0] = $1 }
      #expect(sent == 2 && failures == [101: .notPermitted])
    }
  }

  @Test func aFullSocketBufferIsWaitedForOrReportedNeverLost() async throws {
    // A slow queue holds the packets, and they hold the socket's buffer.
    try await withPrivateNetwork([
      "link add va type veth peer name vb", "link set va up", "link set vb up", "addr add 192.0.2.1/24 dev va",
      "neigh add 192.0.2.2 lladdr 02:00:00:00:00:0b dev va",
    ]) { network in
      try network.run("tc qdisc add dev va root tbf rate 8kbit burst 200 limit 100kb")
      let socket = try RawSocket(.v4)
      try socket.setSendBuffer(1)
      var batch = TransmitBatch()
      for index in 0..<64 as Range<UInt8> { batch.add(to: .v4(IPv4Address(192, 0, 2, 2)), marker: index) }
      var failures: [(tag: UInt64, errno: Errno)] = []
      let sent = batch.flush(on: socket) { failures.append(($0, $1)) }
      #expect(sent > 0 && sent + failures.count == 64 && !failures.isEmpty)
      #expect(failures.allSatisfy { $0.errno == .resourceTemporarilyUnavailable || $0.errno == .noBufferSpace })
    }
  }

  @Test func aQueueThatDropsIsReported() async throws {
    try await withPrivateNetwork([
      "link add va type veth peer name vb", "link set va up", "link set vb up", "addr add 192.0.2.1/24 dev va",
      "neigh add 192.0.2.2 lladdr 02:00:00:00:00:0b dev va",
    ]) { network in
      try network.run("tc qdisc add dev va root tbf rate 8kbit burst 200 limit 200")
      let socket = try RawSocket(.v4)
      var batch = TransmitBatch()
      for index in 0..<32 as Range<UInt8> { batch.add(to: .v4(IPv4Address(192, 0, 2, 2)), marker: index) }
      var failures: [Errno] = []
      let sent = batch.flush(on: socket) { failures.append($1) }
      #expect(sent + failures.count == 32 && failures.contains(.noBufferSpace))
    }
  }

  @Test func theScopeChoosesTheInterface() async throws {
    try await withPrivateNetwork([
      "link add va address 02:00:00:00:00:0a type veth peer name vb", "link set va up", "link set vb up",
      "addr add fe80::1/64 dev va nodad", "neigh add fe80::2 lladdr 02:00:00:00:00:0b dev va",
    ]) { _ in
      let socket = try RawSocket(.v6)
      let destination = try #require(IPAddress("fe80::2"))
      var batch = TransmitBatch()
      batch.add(to: destination, marker: 0, scope: unsafe if_nametoindex("va"))
      batch.add(to: destination, marker: 1, scope: 9999)
      var failures: [UInt64] = []
      let sent = batch.flush(on: socket) { tag, _ in failures.append(tag) }
      #expect(sent == 1 && failures == [101])
    }
  }

  @Test func optionsAreSet() async throws {
    try await withPrivateNetwork(["link add va type veth peer name vb", "link set va up"]) { _ in
      for family in [IPFamily.v4, .v6] {
        let socket = try RawSocket(family)
        try socket.bind(toDevice: "va")
        #expect(throws: SystemCallError.self) { try RawSocket(family).bind(toDevice: "nosuch0") }
        try socket.setMark(7)
        try socket.setSendBuffer(100_000)
        #expect(option(socket.rawValue, SO_MARK) == 7)
        #expect(option(socket.rawValue, SO_SNDBUF) == 200_000)
        let foreign: IPAddress =
          family == .v4 ? .v4(IPv4Address(192, 0, 2, 1)) : .v6(IPv6Address(high: 1 << 61, low: 1))
        try socket.bind(to: SocketAddress(foreign, port: 9))
      }
    }
  }

  @Test func oneSendIsOnePacket() async throws {
    try await withPrivateNetwork { _ in
      let socket = try RawSocket(.v4)
      let tap = try Tap(.v4)
      let packet = packet(to: .v4(.loopback), marker: 9)
      try socket.send(packet.span, to: SocketAddress(.v4(.loopback), port: 80))
      #expect(try tap.markers(1) == [9])
    }
  }

  private func option(_ fd: CInt, _ name: CInt) -> CInt {
    var (value, length) = (CInt(-1), socklen_t(MemoryLayout<CInt>.size))
    // SAFETY: the kernel writes one int.
    _ = unsafe getsockopt(fd, SOL_SOCKET, name, &value, &length)
    return value
  }
}

// MARK: - Packets of protocol 253, which nobody answers (RFC 3692)

extension TransmitBatch {
  fileprivate mutating func add(to destination: IPAddress, marker: UInt8, scope: UInt32 = 0, hopLimit: UInt8 = 64) {
    let bytes = packet(to: destination, marker: marker, hopLimit: hopLimit)
    append(to: destination, scope: scope, length: bytes.count, tag: 100 + UInt64(marker)) { span in
      for index in bytes.indices { span[index] = bytes[index] }
    }
  }
}

private func packet(to destination: IPAddress, marker: UInt8, hopLimit: UInt8 = 64) -> [UInt8] {
  switch destination {
  case .v4(let v4):
    let octets = v4.bytes
    return [0x45, 0, 0, 21, 0, 0, 0, 0, hopLimit, 253, 0, 0, 127, 0, 0, 1]
      + [octets[0], octets[1], octets[2], octets[3], marker]
  case .v6(let v6):
    let words = [v6.high, v6.low].flatMap { word in (0..<8).map { UInt8(word >> (56 - 8 * $0) & 0xff) } }
    return [0x60, 0, 0, 0, 0, 1, 253, hopLimit] + [UInt8](repeating: 0, count: 15) + [1] + words + [marker]
  }
}

/// Receives the packets' last bytes, as a raw socket of their protocol does.
private struct Tap: ~Copyable {
  private let descriptor: Descriptor

  init(_ family: IPFamily) throws(SystemCallError) {
    let domain = family == .v4 ? AF_INET : AF_INET6
    descriptor = Descriptor(owning: try retrying("socket") { socket(domain, CInt(SOCK_RAW.rawValue), 253) })
    var timeout = timeval(tv_sec: 20, tv_usec: 0)
    // SAFETY: the kernel reads one timeval.
    _ = unsafe setsockopt(
      descriptor.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  func markers(_ count: Int) throws(SystemCallError) -> [UInt8] {
    var markers: [UInt8] = []
    for _ in 0..<count {
      var buffer = [UInt8](repeating: 0, count: 256)
      // SAFETY: at most the buffer's bytes are written.
      let length = try retryingSize("recv") { unsafe recv(descriptor.rawValue, &buffer, 256, 0) }
      markers.append(buffer[max(0, length - 1)])
    }
    return markers
  }
}
