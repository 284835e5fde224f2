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
    let owner = try Descriptor.packetSocket()
    let fd = owner.rawValue
    try setOption(fd, SOL_PACKET, CInt(CLINUX_PACKET_IGNORE_OUTGOING), 1, "setsockopt(PACKET_IGNORE_OUTGOING)")
    try setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, receiveBuffer)
    guard let index = interfaceIndex(interface) else {
      throw SystemCallError(call: "if_nametoindex", errno: Errno(rawValue: ENODEV))
    }
    try owner.bind(toLink: index, protocol: ETH_P_ALL)
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
    try descriptor.sendFrame(frame)
  }
}
