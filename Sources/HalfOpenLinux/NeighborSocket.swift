// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// Hears ARP and neighbour discovery on one interface, and nothing else, and sends frames there. See packet(7). Needs
/// CAP_NET_RAW.
package struct NeighborSocket: ~Copyable, Sendable {
  private let descriptor: Descriptor
  private let interfaceIndex: UInt32

  /// Binds to the interface of this index in the calling thread's namespace, non-blocking.
  ///
  /// - Parameter families: those whose neighbours are listened for. Where it is one, packets of the other cost nothing, and
  ///   of IPv4 no packet but ARP does.
  /// - Throws: `SystemCallError`, with EPERM without CAP_NET_RAW, ENODEV for an interface that is not there.
  package init(interfaceIndex: UInt32, families: Set<IPFamily>) throws(SystemCallError) {
    let owner = try Descriptor.packetSocket()
    let fd = owner.rawValue
    try setOption(fd, SOL_PACKET, CInt(CLINUX_PACKET_IGNORE_OUTGOING), 1, "setsockopt(PACKET_IGNORE_OUTGOING)")
    try setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, 4 << 20)
    try NeighborSocket.attachFilter(fd)
    let number = families == [.v4] ? ETH_P_ARP : families == [.v6] ? ETH_P_IPV6 : ETH_P_ALL
    try owner.bind(toLink: interfaceIndex, protocol: number)
    descriptor = owner
    self.interfaceIndex = interfaceIndex
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Takes the frames that wait, as many as the batch holds.
  ///
  /// The corresponding C call is `recvmmsg`.
  package func receive(into batch: inout PacketBatch) throws(SystemCallError) {
    try batch.receive(from: descriptor.rawValue)
  }

  /// Sends the first `length` bytes as a frame.
  ///
  /// The corresponding C function is `send`.
  package func send(_ frame: [UInt8], length: Int) throws(SystemCallError) {
    try descriptor.sendFrame(frame.span.extracting(first: length))
  }

  /// Lets the interface hear a multicast group, for as long as this socket lives.
  ///
  /// The corresponding C call is `setsockopt(PACKET_ADD_MEMBERSHIP)`.
  package func join(_ group: MACAddress) throws(SystemCallError) {
    var request = packet_mreq()
    request.mr_ifindex = CInt(bitPattern: interfaceIndex)
    request.mr_type = UInt16(PACKET_MR_MULTICAST)
    request.mr_alen = 6
    let bytes = group.bytes
    request.mr_address = (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], 0, 0)
    // SAFETY: the kernel reads one packet_mreq.
    try retrying("setsockopt(PACKET_ADD_MEMBERSHIP)") {
      unsafe setsockopt(
        descriptor.rawValue, SOL_PACKET, CInt(PACKET_ADD_MEMBERSHIP), &request,
        socklen_t(MemoryLayout<packet_mreq>.size))
    }
  }

  /// Lets through ARP, and ICMPv6 of types 135 and 136 right behind the IPv6 header (RFC 4861 section 4). In the classic
  /// BPF of Documentation/networking/filter.rst.
  private static func attachFilter(_ fd: CInt) throws(SystemCallError) {
    var program = [
      sock_filter(code: 0x28, jt: 0, jf: 0, k: 12),  // ldh [12], the frame's type
      sock_filter(code: 0x15, jt: 6, jf: 0, k: 0x0806),  // jeq ARP, accept
      sock_filter(code: 0x15, jt: 0, jf: 6, k: 0x86dd),  // jeq IPv6, else reject
      sock_filter(code: 0x30, jt: 0, jf: 0, k: 20),  // ldb [20], the next header
      sock_filter(code: 0x15, jt: 0, jf: 4, k: 58),  // jeq ICMPv6, else reject
      sock_filter(code: 0x30, jt: 0, jf: 0, k: 54),  // ldb [54], the type
      sock_filter(code: 0x35, jt: 0, jf: 2, k: 135),  // jge solicitation, else reject
      sock_filter(code: 0x25, jt: 1, jf: 0, k: 136),  // jgt advertisement, reject
      sock_filter(code: 0x06, jt: 0, jf: 0, k: 256),  // accept
      sock_filter(code: 0x06, jt: 0, jf: 0, k: 0),  // reject
    ]
    let count = UInt16(program.count)
    try unsafe program.withUnsafeMutableBufferPointer { (instructions) throws(SystemCallError) in
      var filter = unsafe sock_fprog(len: count, filter: instructions.baseAddress)
      // SAFETY: the kernel copies `count` instructions, which live for the call.
      try retrying("setsockopt(SO_ATTACH_FILTER)") {
        unsafe setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
      }
    }
  }
}
