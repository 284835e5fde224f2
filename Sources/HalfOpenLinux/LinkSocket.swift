// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// A socket that sends whole Ethernet frames through one interface, past its queue discipline. It receives nothing.
///
/// See packet(7). Needs CAP_NET_RAW. Fails with ENETDOWN while the interface is down and with ENXIO once it is gone. A
/// frame that the driver refuses is ENOBUFS, and so is every frame while the link has no carrier (`__dev_direct_xmit` in
/// net/core/dev.c). On loopback the kernel drops what comes this way as martian.
package struct LinkSocket: ~Copyable, Sendable {
  private let descriptor: Descriptor

  /// Binds to the interface of this index in the calling thread's namespace, non-blocking.
  ///
  /// The corresponding C call is `socket(AF_PACKET)`.
  /// - Parameter sendBuffer: room for frames on their way, in bytes. Without CAP_NET_ADMIN the kernel keeps to
  ///   `net.core.wmem_max`.
  /// - Throws: `SystemCallError`, with EPERM without CAP_NET_RAW, ENODEV for an interface that is not there.
  package init(interfaceIndex: UInt32, sendBuffer: Int = 4 << 20) throws(SystemCallError) {
    let owner = try Descriptor.packetSocket()
    let fd = owner.rawValue
    try setOption(fd, SOL_PACKET, CInt(PACKET_QDISC_BYPASS), 1, "setsockopt(PACKET_QDISC_BYPASS)")
    try setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, sendBuffer)
    // Protocol 0: the kernel hangs no receiver of ours on the interface, so no packet is slower for it.
    try owner.bind(toLink: interfaceIndex, protocol: 0)
    descriptor = owner
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Sends one frame. For many, see `TransmitBatch`.
  ///
  /// The corresponding C function is `send`.
  package func send(_ frame: Span<UInt8>) throws(SystemCallError) { try descriptor.sendFrame(frame) }
}

// MARK: - What sockets of this family share

extension Descriptor {
  /// A packet socket that receives nothing before it is bound.
  package static func packetSocket() throws(SystemCallError) -> Descriptor {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    return try Descriptor(opening: "socket(AF_PACKET)") { socket(AF_PACKET, type, 0) }
  }

  /// - Parameter protocol: what is received: `ETH_P_ALL` for everything, 0 for nothing.
  package func bind(toLink interfaceIndex: UInt32, protocol number: CInt) throws(SystemCallError) {
    var address = sockaddr_ll()
    address.sll_family = UInt16(AF_PACKET)
    address.sll_protocol = UInt16(truncatingIfNeeded: number).bigEndian
    address.sll_ifindex = CInt(bitPattern: interfaceIndex)
    // SAFETY: the kernel reads one sockaddr_ll.
    try retrying("bind(AF_PACKET)") {
      unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe Glibc.bind(rawValue, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
        }
      }
    }
  }

  func sendFrame(_ frame: Span<UInt8>) throws(SystemCallError) {
    // SAFETY: no more bytes are read than the span has.
    try retryingSize("send(AF_PACKET)") {
      unsafe frame.withUnsafeBytes { bytes in unsafe Glibc.send(rawValue, bytes.baseAddress, bytes.count, 0) }
    }
  }
}

/// Gives a buffer its size, past the system's limit where the process may.
package func setBuffer(_ fd: CInt, _ forced: CInt, _ option: CInt, _ bytes: Int) throws(SystemCallError) {
  let bytes = CInt(clamping: bytes)
  do throws(SystemCallError) { try setOption(fd, SOL_SOCKET, forced, bytes, "setsockopt(SO_…BUFFORCE)") } catch {
    try setOption(fd, SOL_SOCKET, option, bytes, "setsockopt(SO_…BUF)")
  }
}
