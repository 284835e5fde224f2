// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation
import HalfOpenTesting

/// Two namespaces of the bench's own and a veth of two queues between them: what is measured runs in `near`, what it
/// probes lives in `far`. Nothing leads out, and both go with the bench.
final class Lab {
  /// What `far` does with what it gets.
  enum Ground: String {
    /// By the last three bits of the address: 0 open, 1 to 3 RST, 4 an ICMP error, 5 to 7 silence.
    case mixed
    case open
    /// 501 ports open; the others RST.
    case closedPorts
    /// 501 ports open; the others silent.
    case silentPorts
    /// Of 256 hosts each second is silent; the others have ten ports open of 1000.
    case block
    /// All of 10.0.0.0/8, every port closed.
    case closedNetwork
    /// Frames go to an address that nobody has: the kernel counts them and drops them before it looks at their packets.
    case blackHole
  }

  static let interface = "lab0"
  static let source = "10.200.0.1"
  static let ownNetwork = "10.200.0.0/30"
  let near: NetworkNamespace
  let far: NetworkNamespace
  /// Where frames go: the interface's in `far`, or nobody's.
  let gatewayMAC: String
  private let listeners: [CInt]

  static func openPorts(_ ground: Ground) -> [UInt16] {
    switch ground {
    case .mixed, .open: [80]
    case .closedPorts, .silentPorts: (0...500).map { UInt16(1 + 131 * $0) }
    case .block: (1...10).map { UInt16(100 * $0) }
    case .closedNetwork, .blackHole: []
    }
  }

  /// - Parameter loss: the part of the packets lost at random, each way, behind the count of SYNs. In nftables: frames of
  ///   the link path would go past a queueing discipline.
  init(_ ground: Ground, loss: Double = 0) throws {
    near = try NetworkNamespace()
    far = try NetworkNamespace()
    let name = Lab.interface
    let queues = ["numtxqueues", "2", "numrxqueues", "2"]
    try near.command(
      ["ip", "link", "add", name] + queues + ["type", "veth", "peer", "name", name] + queues + ["netns", far.path])
    for (side, address4, address6) in [(near, "10.200.0.1/30", "fd20::1/64"), (far, "10.200.0.2/30", "fd20::2/64")] {
      try side.command("ip", "address", "add", address4, "dev", name)
      try side.command("ip", "address", "add", address6, "dev", name, "nodad")
      try side.command("ip", "link", "set", name, "up")
    }
    gatewayMAC = ground == .blackHole ? "02:00:00:00:00:99" : try far.runBlocking { try macAddress(of: name) }
    let nearMAC = try near.runBlocking { try macAddress(of: name) }
    for (side, other4, other6, mac) in [
      (near, "10.200.0.2", "fd20::2", gatewayMAC), (far, Lab.source, "fd20::1", nearMAC),
    ] {
      for other in [other4, other6] {
        try side.command("ip", "neigh", "replace", other, "lladdr", mac, "dev", name, "nud", "permanent")
      }
    }
    try near.command("ip", "route", "add", "10.0.0.0/8", "via", "10.200.0.2")
    try near.command("ip", "-6", "route", "add", "fd64::/104", "via", "fd20::2")
    let ports = Lab.openPorts(ground)
    listeners = try far.runBlocking { try ports.flatMap { [try listen($0, AF_INET), try listen($0, AF_INET6)] } }
    if ground != .blackHole { try answer(ground, loss: loss) }
    Thread.sleep(forTimeInterval: 0.3)
  }

  deinit { for listener in listeners { close(listener) } }

  /// Every address behind `far` is its own: the kernel answers for all of them.
  private func answer(_ ground: Ground, loss: Double) throws {
    try far.command(
      "ip", "route", "add", "local", ground == .closedNetwork ? "10.0.0.0/8" : "10.64.0.0/15", "dev", "lo")
    try far.command("ip", "-6", "route", "add", "local", "fd64::/104", "dev", "lo")
    try far.removeICMPLimits()
    for (key, value) in [("net.core.somaxconn", "1048576"), ("net.ipv4.tcp_max_syn_backlog", "1048576")] {
      try far.setSystemControl(key, value)
    }
    let lost = Int((loss * 1_000_000).rounded())
    let drop = lost > 0 ? "numgen random mod 1000000 < \(lost) drop" : ""
    try far.loadRules(
      """
      table inet lab {
        counter syns { }
        chain closed { reject with tcp reset
        }
        chain prohibited { reject with icmpx type admin-prohibited
        }
        chain arrive { type filter hook prerouting priority -300; policy accept;
          iifname != "\(Lab.interface)" accept
          tcp flags & (syn|ack|rst) == syn counter name syns
          \(drop)
          \(Lab.rules(ground))
        }
        chain leave { type filter hook postrouting priority 300; policy accept;
          oifname "\(Lab.interface)" meta l4proto { tcp, icmp, icmpv6 } \(drop.isEmpty ? "accept" : drop)
        }
      }

      """)
  }

  private static func rules(_ ground: Ground) -> String {
    switch ground {
    case .mixed:
      return """
        ip daddr 10.64.0.0/15 ip daddr & 0.0.0.7 vmap { 0.0.0.1 : goto closed, 0.0.0.2 : goto closed, \
        0.0.0.3 : goto closed, 0.0.0.4 : goto prohibited, 0.0.0.5 : drop, 0.0.0.6 : drop, 0.0.0.7 : drop }
        ip6 daddr fd64::/104 ip6 daddr & ::7 vmap { ::1 : goto closed, ::2 : goto closed, ::3 : goto closed, \
        ::4 : goto prohibited, ::5 : drop, ::6 : drop, ::7 : drop }
        """
    case .silentPorts:
      let open = openPorts(.silentPorts).map { "\($0)" }.joined(separator: ", ")
      return "ip daddr 10.64.0.0/15 tcp dport != { \(open) } drop"
    case .block: return "ip daddr & 0.0.0.1 == 0.0.0.1 ip daddr 10.64.0.0/15 drop"
    case .open, .closedPorts, .closedNetwork, .blackHole: return ""
    }
  }

  /// SYNs that arrived at `far`, before any was lost there.
  func syns() throws -> Int {
    let text = try far.command("nft", "list", "counter", "inet", "lab", "syns")
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let index = words.firstIndex(of: "packets"), let count = Int(words[index + 1]) else { return 0 }
    return count
  }

  /// Half-open connections that a RST ended, of all time.
  func embryonicResets() throws -> Int {
    try far.runBlocking { counter("EmbryonicRsts", in: "/proc/thread-self/net/netstat") }
  }
}

/// The listening sockets stay in the namespace that they were made in; nobody accepts.
private func listen(_ port: UInt16, _ family: CInt) throws -> CInt {
  let fd = socket(family, CInt(SOCK_STREAM.rawValue), 0)
  var on: CInt = 1
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
  var bound: CInt
  if family == AF_INET {
    var own = sockaddr_in()
    own.sin_family = sa_family_t(family)
    own.sin_port = port.bigEndian
    bound = withUnsafePointer(to: own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  } else {
    setsockopt(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<CInt>.size))
    var own = sockaddr_in6()
    own.sin6_family = sa_family_t(family)
    own.sin6_port = port.bigEndian
    bound = withUnsafePointer(to: own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
    }
  }
  guard bound == 0, Glibc.listen(fd, 1 << 20) == 0 else { throw Failure(description: "cannot listen on port \(port)") }
  return fd
}

private func macAddress(of interface: String) throws -> String {
  var request = ifreq()
  withUnsafeMutableBytes(of: &request.ifr_ifrn) { $0.copyBytes(from: interface.utf8) }
  let fd = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
  defer { close(fd) }
  guard ioctl(fd, UInt(SIOCGIFHWADDR), &request) == 0 else { throw Failure(description: "no address of \(interface)") }
  return withUnsafeBytes(of: &request.ifr_ifru) { bytes in
    bytes[2..<8].map { String(format: "%02x", $0) }.joined(separator: ":")
  }
}
