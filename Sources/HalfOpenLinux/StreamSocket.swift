// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
package import SystemPackage

/// How the sockets of an engine start a handshake.
package struct StreamSetup: Sendable {
  /// The source address with its scope; nil for the route's.
  package var source: SocketAddress?
  /// Source ports to choose from, by the kernel. Linux 6.3, and only ports within `ip_local_port_range` count.
  package var portRange: ClosedRange<UInt16>?
  /// The interface to send from.
  package var interface: String?
  package var mark: UInt32?

  package init(
    source: SocketAddress? = nil, portRange: ClosedRange<UInt16>? = nil, interface: String? = nil, mark: UInt32? = nil
  ) {
    self.source = source
    self.portRange = portRange
    self.interface = interface
    self.mark = mark
  }

  fileprivate var isPlain: Bool { source == nil && portRange == nil && interface == nil && mark == nil }
}

/// The owner of many TCP sockets, each known by a small number of the caller's. See tcp(7).
package struct StreamSockets: ~Copyable {
  private static let none = CInt(-1)

  private var descriptors: [CInt] = []
  /// Sockets that are open.
  package private(set) var count = 0

  package init() {}

  deinit {
    for fd in descriptors where fd != Self.none { _ = Descriptor(owning: fd) }
  }

  /// Makes the non-blocking socket `slot`, which must be free. Whatever fails, the slot is free again.
  ///
  /// Set before connect: without TCP_QUICKACK 0 the kernel answers a SYN-ACK at once (tcp_rcv_synsent_state_process), and
  /// with SO_LINGER {1, 0} even the end of the process ends the connection by RST.
  /// - Parameters:
  ///   - withholdingACK: for 200 ms at most.
  ///   - retransmissions: SYNs after the first, at least 1; nil for the system's setting (TCP_SYNCNT).
  package mutating func open(
    _ slot: Int, _ family: IPFamily, _ setup: borrowing StreamSetup, withholdingACK: Bool, retransmissions: Int?
  ) throws(SystemCallError) {
    while slot >= descriptors.count { descriptors.append(Self.none) }
    precondition(descriptors[slot] == Self.none, "socket \(slot) is open")
    let domain = family == .v4 ? AF_INET : AF_INET6
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = try Descriptor(opening: "socket") { socket(domain, type, CInt(IPPROTO_TCP)) }
    let fd = descriptor.rawValue
    if withholdingACK { try setOption(fd, CInt(IPPROTO_TCP), TCP_QUICKACK, 0, "setsockopt(TCP_QUICKACK)") }
    try setLinger(fd)
    switch family {
    case .v4: try setOption(fd, CInt(IPPROTO_IP), CInt(CLINUX_IP_RECVERR), 1, "setsockopt(IP_RECVERR)")
    case .v6: try setOption(fd, CInt(IPPROTO_IPV6), CInt(CLINUX_IPV6_RECVERR), 1, "setsockopt(IPV6_RECVERR)")
    }
    if let retransmissions {
      try setOption(
        fd, CInt(IPPROTO_TCP), TCP_SYNCNT, CInt(clamping: max(1, retransmissions)), "setsockopt(TCP_SYNCNT)")
    }
    if !setup.isPlain { try prepare(fd, setup) }
    descriptors[slot] = descriptor.release()
    count += 1
  }

  /// Starts the handshake: the SYN leaves, and the answer comes as an event. EINPROGRESS is success.
  ///
  /// The corresponding C function is `connect`.
  package func connect(_ slot: Int, to target: SocketAddress) throws(SystemCallError) {
    do {
      try retrying("connect") { unsafe target.withSockaddr { unsafe Glibc.connect(descriptors[slot], $0, $1) } }
    } catch {
      if error.errno != .nowInProgress, error.errno != .alreadyInProcess { throw error }
    }
  }

  /// Binds to a port of the caller's choice, where the kernel can't be given a range.
  ///
  /// The corresponding C function is `bind`.
  package func bind(_ slot: Int, to source: SocketAddress) throws(SystemCallError) {
    try retrying("bind") { unsafe source.withSockaddr { unsafe Glibc.bind(descriptors[slot], $0, $1) } }
  }

  /// Reports all changes of a socket from now on, until it is closed, and what it is ready for already.
  package func register(_ slot: Int, with epoll: borrowing Epoll, tag: UInt64) throws(SystemCallError) {
    try epoll.add(descriptors[slot], events: [.input, .output, .edgeTriggered], tag: tag)
  }

  /// Closes a socket, which ends a connection by RST. Harmless for a free slot.
  package mutating func close(_ slot: Int) {
    guard slot < descriptors.count, descriptors[slot] != Self.none else { return }
    _ = Descriptor(owning: descriptors[slot])
    descriptors[slot] = Self.none
    count -= 1
  }

  package func isOpen(_ slot: Int) -> Bool { slot < descriptors.count && descriptors[slot] != Self.none }

  /// The corresponding C call is `getsockopt(TCP_INFO)`.
  package func information(_ slot: Int) throws(SystemCallError) -> TCPInfo { try TCPInfo(of: descriptors[slot]) }

  /// Empties the error queue. What it returns has to be kept: SO_ERROR forgets it.
  package func drainErrorQueue(_ slot: Int) -> QueuedError? { HalfOpenLinux.drainErrorQueue(of: descriptors[slot]) }

  /// Takes the pending error, nil for none.
  ///
  /// The corresponding C call is `getsockopt(SO_ERROR)`.
  package func takeError(_ slot: Int) -> Errno? {
    var code: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    // SAFETY: the kernel writes one int.
    let result = unsafe getsockopt(descriptors[slot], SOL_SOCKET, SO_ERROR, &code, &length)
    return result == 0 && code != 0 ? Errno(rawValue: code) : nil
  }

  /// The address that a socket sends from, nil before it has one.
  ///
  /// The corresponding C function is `getsockname`.
  package func localAddress(_ slot: Int) -> SocketAddress? {
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    // SAFETY: the kernel writes at most `length` bytes of the family it names.
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptors[slot], $0, &length)
      }
    }
    return result == 0 ? SocketAddress(native: storage) : nil
  }
}

private func prepare(_ fd: CInt, _ setup: borrowing StreamSetup) throws(SystemCallError) {
  if let interface = setup.interface { try bindToDevice(fd, interface) }
  if let mark = setup.mark { try setOption(fd, SOL_SOCKET, SO_MARK, CInt(bitPattern: mark), "setsockopt(SO_MARK)") }
  if let range = setup.portRange {
    // A level of IPPROTO_IP for both families (ip(7)).
    let value = CInt(bitPattern: UInt32(range.upperBound) << 16 | UInt32(range.lowerBound))
    try setOption(fd, CInt(IPPROTO_IP), CInt(CLINUX_IP_LOCAL_PORT_RANGE), value, "setsockopt(IP_LOCAL_PORT_RANGE)")
  }
  if let source = setup.source {
    // The port is chosen at connect, when the target is known: one port serves many targets (ip(7)).
    try setOption(fd, CInt(IPPROTO_IP), CInt(CLINUX_IP_BIND_ADDRESS_NO_PORT), 1, "setsockopt(IP_BIND_ADDRESS_NO_PORT)")
    try retrying("bind") { unsafe source.withSockaddr { unsafe Glibc.bind(fd, $0, $1) } }
  }
}

private func setLinger(_ fd: CInt) throws(SystemCallError) {
  var value = linger(l_onoff: 1, l_linger: 0)
  // SAFETY: the kernel reads one struct linger.
  try retrying("setsockopt(SO_LINGER)") {
    unsafe setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }
}
