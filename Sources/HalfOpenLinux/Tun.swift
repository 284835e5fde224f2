// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// A TUN device: what the kernel routes to it is read here, what is written here arrives at the kernel. Packets begin
/// with the IP header. See Documentation/networking/tuntap.rst of the kernel.
package struct TunDevice: ~Copyable, Sendable {
  private let descriptor: Descriptor

  /// Makes the device in the calling thread's namespace; it goes with this owner.
  ///
  /// The corresponding C call is `ioctl(TUNSETIFF)`.
  package init(name: String) throws(SystemCallError) {
    // SAFETY: the name is a C string for the call; the shim copies at most IFNAMSIZ - 1 bytes of it.
    descriptor = try Descriptor(opening: "TUNSETIFF on /dev/net/tun") { unsafe clinux_open_tun(name) }
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Takes the packets that wait, as many as the batch holds. The device gives out one a call.
  package func receive(into batch: inout PacketBatch) throws(SystemCallError) {
    let fd = descriptor.rawValue
    try batch.fill { slot throws(SystemCallError) in
      do throws(SystemCallError) {
        // SAFETY: no more bytes are written than the slot has.
        return try retryingSize("read(tun)") {
          unsafe slot.withUnsafeMutableBytes { bytes in unsafe Glibc.read(fd, bytes.baseAddress, bytes.count) }
        }
      } catch {
        guard error.errno == .resourceTemporarilyUnavailable else { throw error }
        return nil
      }
    }
  }

  /// Hands the batch's packets to the kernel, and forgets them. One that the kernel refuses is left out.
  package func send(_ batch: inout PacketBatch) {
    for index in 0..<batch.count { try? write(batch.packet(index)) }
    batch.removeAll()
  }

  /// Hands one packet to the kernel. Safe from any thread.
  package func write(_ packet: Span<UInt8>) throws(SystemCallError) {
    // SAFETY: no more bytes are read than the span has.
    try retryingSize("write(tun)") {
      unsafe packet.withUnsafeBytes { bytes in unsafe Glibc.write(descriptor.rawValue, bytes.baseAddress, bytes.count) }
    }
  }
}
