// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// An Ethernet interface below the kernel's own protocols: every frame that arrives is read here, what is written here
/// leaves. See packet(7). Needs CAP_NET_RAW.
package struct PacketSocket: ~Copyable, Sendable {
  private let descriptor: Descriptor

  /// Binds to `interface` of the calling thread's namespace, non-blocking.
  ///
  /// The corresponding C call is `socket(AF_PACKET)`.
  /// - Parameter receiveBuffer: room for frames that wait, in bytes. Without CAP_NET_ADMIN the kernel keeps to
  ///   `net.core.rmem_max`.
  package init(interface: String, receiveBuffer: Int = 64 << 20) throws(SystemCallError) {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    // Protocol 0: nothing arrives before the socket is bound.
    let owner = Descriptor(owning: try retrying("socket(AF_PACKET)") { socket(AF_PACKET, type, 0) })
    let fd = owner.rawValue
    var (one, bytes) = (CInt(1), CInt(clamping: receiveBuffer))
    var address = sockaddr_ll()
    address.sll_family = UInt16(AF_PACKET)
    address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
    // SAFETY: each call reads as many bytes as the value it is given has, and the name is a C string for the call.
    let index = try retrying("if_nametoindex") {
      let index = unsafe if_nametoindex(interface)
      return index == 0 ? -1 : CInt(bitPattern: index)
    }
    address.sll_ifindex = index
    try retrying("setsockopt(PACKET_IGNORE_OUTGOING)") {
      unsafe setsockopt(fd, SOL_PACKET, CInt(CLINUX_PACKET_IGNORE_OUTGOING), &one, 4)
    }
    for option in [SO_RCVBUFFORCE, SO_RCVBUF] {
      if unsafe setsockopt(fd, SOL_SOCKET, option, &bytes, 4) == 0 { break }
    }
    try retrying("bind(AF_PACKET)") {
      unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe bind(fd, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
        }
      }
    }
    descriptor = owner
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Takes the frames that wait, as many as the batch holds.
  ///
  /// The corresponding C call is `recvmmsg`.
  package func receive(into batch: inout PacketBatch) throws(SystemCallError) {
    try batch.receive(from: descriptor.rawValue)
  }

  /// Sends the batch's frames, and forgets them. One that the kernel refuses is left out.
  ///
  /// The corresponding C call is `sendmmsg`.
  package func send(_ batch: inout PacketBatch) { batch.send(to: descriptor.rawValue) }

  /// Sends one frame. Safe from any thread.
  package func write(_ frame: Span<UInt8>) throws(SystemCallError) {
    // SAFETY: no more bytes are read than the span has.
    try retryingSize("send(AF_PACKET)") {
      unsafe frame.withUnsafeBytes { bytes in unsafe Glibc.send(descriptor.rawValue, bytes.baseAddress, bytes.count, 0)
      }
    }
  }
}
