// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
import SystemPackage

/// A socket that sends whole IP packets, headers included, the way the kernel routes them. It receives nothing.
///
/// Needs CAP_NET_RAW. In IPv4 headers the kernel fills in total length and checksum, and the identification where it is
/// zero (raw(7)); IPv6 packets go out as they are. The route is chosen by destination, device, mark and the bound
/// source, not by the source in the header.
package struct RawSocket: ~Copyable, Sendable {
  package let family: IPFamily
  private let descriptor: Descriptor

  /// Non-blocking.
  /// - Throws: `SystemCallError`, with EPERM without CAP_NET_RAW, EAFNOSUPPORT without IPv6.
  package init(_ family: IPFamily) throws(SystemCallError) {
    let domain = family == .v4 ? AF_INET : AF_INET6
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = try Descriptor(opening: "socket(SOCK_RAW)") { socket(domain, type, CInt(IPPROTO_RAW)) }
    let fd = descriptor.rawValue
    // Without RECVERR a packet that the queue discipline drops counts as sent (raw_send_hdrinc in net/ipv4/raw.c).
    switch family {
    case .v4:
      try setOption(fd, CInt(IPPROTO_IP), CInt(CLINUX_IP_HDRINCL), 1, "setsockopt(IP_HDRINCL)")
      try setOption(fd, CInt(IPPROTO_IP), CInt(CLINUX_IP_RECVERR), 1, "setsockopt(IP_RECVERR)")
    case .v6:
      try setOption(fd, CInt(IPPROTO_IPV6), CInt(CLINUX_IPV6_HDRINCL), 1, "setsockopt(IPV6_HDRINCL)")
      try setOption(fd, CInt(IPPROTO_IPV6), CInt(CLINUX_IPV6_RECVERR), 1, "setsockopt(IPV6_RECVERR)")
    }
    self.family = family
    self.descriptor = descriptor
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Sends through `interface` only. ENODEV if there is none of that name.
  ///
  /// The corresponding C call is `setsockopt(SO_BINDTODEVICE)`.
  package func bind(toDevice interface: String) throws(SystemCallError) {
    try bindToDevice(rawValue, interface)
  }

  /// Makes policy routing see `source`, which need not be an address of this host.
  ///
  /// The corresponding C function is `bind`, behind IP_FREEBIND.
  package func bind(to source: SocketAddress) throws(SystemCallError) {
    switch family {
    case .v4: try setOption(rawValue, CInt(IPPROTO_IP), CInt(CLINUX_IP_FREEBIND), 1, "setsockopt(IP_FREEBIND)")
    case .v6: try setOption(rawValue, CInt(IPPROTO_IPV6), CInt(CLINUX_IPV6_FREEBIND), 1, "setsockopt(IPV6_FREEBIND)")
    }
    var source = source
    source.port = 0
    try retrying("bind") { unsafe source.withSockaddr { unsafe Glibc.bind(descriptor.rawValue, $0, $1) } }
  }

  /// Marks every packet, for policy routing and firewalls. Needs CAP_NET_ADMIN, or since Linux 5.17 CAP_NET_RAW.
  ///
  /// The corresponding C call is `setsockopt(SO_MARK)`.
  package func setMark(_ mark: UInt32) throws(SystemCallError) {
    try setOption(rawValue, SOL_SOCKET, SO_MARK, CInt(bitPattern: mark), "setsockopt(SO_MARK)")
  }

  /// Room for packets on their way, in bytes; the kernel doubles it and holds it below `net.core.wmem_max`.
  ///
  /// The corresponding C call is `setsockopt(SO_SNDBUF)`.
  package func setSendBuffer(_ bytes: Int) throws(SystemCallError) {
    try setOption(rawValue, SOL_SOCKET, SO_SNDBUF, CInt(clamping: bytes), "setsockopt(SO_SNDBUF)")
  }

  /// Sends one packet. For many, see `TransmitBatch`.
  ///
  /// The corresponding C function is `sendto`.
  package func send(_ packet: Span<UInt8>, to destination: SocketAddress) throws(SystemCallError) {
    // The port of a raw socket's destination is a protocol number, which must not differ from the socket's (raw(7)).
    var destination = destination
    destination.port = 0
    // SAFETY: the kernel reads the packet's bytes and the address, both alive for the call.
    try retryingSize("sendto(SOCK_RAW)") {
      unsafe packet.withUnsafeBufferPointer { bytes in
        unsafe destination.withSockaddr {
          unsafe sendto(descriptor.rawValue, bytes.baseAddress, bytes.count, 0, $0, $1)
        }
      }
    }
  }
}
